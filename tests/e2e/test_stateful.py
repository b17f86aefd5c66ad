"""Sequences of commands that schemathesis makes up, each with what the one before answered, against the whole running system."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson

from tests.e2e.site import ADMIN, SPACE, Site, approvers, step

STEPS = 40
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,use_after_free"
APPLIED = (r"POST /v1/workflows", r"POST /v1/pages/[^/]+/approvals", r"\w+ /v1/workflows/wf-\w+", r"POST /v1/approvals/[^/]+/\w+")
"""What must have come to pass at least once: something made, and something done with it."""


async def test_whatever_follows_whatever_is_answered_as_documented(site: Site, tmp_path: Path) -> None:
    workflow = await site.workflow(step(approvers(ADMIN)), four_eyes=False)
    await site.done("PUT", f"/v1/workflows/{workflow}/assignments/space/{SPACE}", {}, ADMIN)
    report, config = tmp_path / "report.ndjson", tmp_path / "schemathesis.toml"
    config.write_text("[phases.stateful.inference]\nalgorithms = []\n")  # the document says itself what leads where
    given = (
        "--config-file", str(config), "run", "docs/openapi-command.json", "--url", site.stack.address("command"), "--no-color",
        "--header", f"Authorization: Bearer {site.stack.issuer.forge(site.id, ADMIN, lifetime=3000)}", "--header", "Prefer: wait=10",
        "--checks", CHECKS, "--phases", "stateful", "--max-examples", str(STEPS), "--generation-deterministic",
        "--suppress-health-check", "all", "--request-timeout", "60", "--report", "ndjson", "--report-ndjson-path", str(report),
    )
    told = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")), *given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.e2e.stateful_hooks"},
    )
    said, _ = await told.communicate()
    assert told.returncode == 0, said.decode()[-8000:]
    applied = list(done(report))
    assert [kind for kind in APPLIED if not any(re.fullmatch(kind, one) for one in applied)] == []


def done(report: Path) -> Iterator[str]:
    """Method and path of each request that was answered with an outcome."""
    for line in report.read_bytes().splitlines():
        recorded = orjson.loads(line).get("ScenarioFinished", {}).get("recorder", {}).get("interactions", {})
        for interaction in recorded.values():
            if (interaction["response"] or {}).get("status_code") == httpx.codes.OK:
                yield f"{interaction['request']['method']} {urlsplit(interaction['request']['uri']).path}"
