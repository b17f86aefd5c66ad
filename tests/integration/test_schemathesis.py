"""Both APIs do what their OpenAPI documents say, to whatever schemathesis makes up out of the documents."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.command.settings import Settings
from services.command.wiring import build as command
from services.console.wiring import build as console
from services.local.child import free_port
from services.local.issuer import LocalIssuer
from services.local.served import served
from tests.builders import a_definition, a_step, accounts
from tests.integration.console_data import ONE
from tests.integration.console_stack import filling
from tests.integration.console_stack import settings_for as console_settings
from tests.stack import Database

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "ignored_auth", "use_after_free",
)
EXAMPLES = 5


@asynccontextmanager
async def listening(build: Any, settings: Any, **changes: Any) -> AsyncIterator[str]:
    """The service on a port of its own: its address."""
    address = f"http://127.0.0.1:{free_port()}"
    async with build(settings.model_copy(update={"base_url": address, **changes})) as app, served(app, address):
        yield address


async def explore(document: str, address: str, token: str) -> None:
    """Every operation, with the same made-up requests each time; the phase named coverage takes minutes, and is for a person to run."""
    given = (
        "run", f"docs/openapi-{document}.json", "--url", address, "--header", f"Authorization: Bearer {token}", "--no-color",
        "--checks", ",".join(CHECKS), "--phases", "examples,fuzzing", "--max-examples", str(EXAMPLES),
        "--generation-deterministic", "--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "60",
    )
    told = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")), *given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await told.communicate()
    assert told.returncode == 0, said.decode()[-8000:]


@pytest.mark.parametrize("account", ["712020:ann", None], ids=["a person", "the app"])
async def test_commands_are_answered_as_documented(settings: Settings, issuer: LocalIssuer, account: str | None) -> None:
    patient = {"max_wait_seconds": 0.0, "publish_seconds": 60.0, "database_seconds": 60.0}  # nobody decides here, so nobody waits for it
    async with listening(command, settings, **patient) as address:
        await explore("command", address, issuer.forge(ONE, account, lifetime=3000))


@pytest.mark.parametrize("account", ["ann", None], ids=["a person", "the app"])
async def test_reads_are_answered_as_documented(database: Database, issuer: LocalIssuer, account: str | None) -> None:
    async with filling(database) as data, listening(console, console_settings(database, issuer)) as address:
        await data.workflow(a_definition(a_step(accounts("ann"))))
        await data.page()
        await data.entries({"site_id": ONE, "page_id": "900", "space_id": "10", "workflow_id": "wf-1", "actor_id": "ann"})
        await explore("console", address, issuer.forge(ONE, account, lifetime=3000))
