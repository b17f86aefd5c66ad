"""What the command service refuses before anything is published, and the reason it gives."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from shared.clock import now
from shared.contracts.reasons import Reason
from tests.integration.command_stack import DECISION, DEFINITION, Service, problem
from tests.stack import Database

pytestmark = pytest.mark.usefixtures("fresh")
BODY = json.dumps({"space_id": "4711", "definition": DEFINITION}).encode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"not json", ""),
        (b'"text"', ""),
        (b"[]", ""),
        (b"\xff\xfe", ""),
        (b"[" * 10_000 + b"]" * 10_000, ""),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, ""),
        (BODY.replace(b'"4711"', b"4711"), "/space_id"),
        (BODY.replace(b'"4711"', b'"a\\u0000b"'), "/space_id"),
        (BODY.replace(b'"Review"', b'"a\\u0000b"'), "/definition/name"),
        (BODY.replace(b'"Review"', b'"\\ud800"'), ""),
        (BODY.replace(b'"all"', b'"most"'), "/definition/steps/0/rule"),
        (BODY.replace(b'"space_id"', b'"sp\xc3\xa4ce"'), "/space_id"),
        (BODY[:-1] + b',"caller":{"app":true}}', ""),
        (BODY.replace(b'"Review"', b"[" * 300 + b"]" * 300), ""),
        (BODY.replace(b'"Review"', b"NaN"), None),
        (b"{}" + b"\x00", ""),
    ],
)
async def test_what_cannot_be_read_is_refused_without_an_echo(service: Service, body: bytes, field: str | None) -> None:
    before = await service.log.positions()
    response = await service.post("/v1/workflows", body)
    problem(response, Reason.MALFORMED, field)
    assert not any(sent in response.text for sent in ("ä", "most", "\\u0000"))
    assert await service.log.positions() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/approvals/5-1/decisions", DECISION | {"page_version": "3"}),
        ("/v1/approvals/5-1/decisions", DECISION | {"page_version": 0}),
        ("/v1/approvals/5-1/decisions", DECISION | {"page_version": 1e300}),
        ("/v1/approvals/5-1/decisions", DECISION | {"verdict": "maybe"}),
        ("/v1/approvals/5-1/decisions", DECISION | {"comment": "x" * 2001}),
        ("/v1/approvals/5-1/decisions", DECISION | {"comment": "\x00"}),
        ("/v1/approvals/5-1/decisions", DECISION | {"comment": "  "}),
        ("/v1/approvals/5-1/reset", {"force": True}),
        ("/v1/pages/a%20b/approvals", {"page_version": 3, "space_id": "1"}),
        ("/v1/pages/a%00b/approvals", {"page_version": 3, "space_id": "1"}),
        ("/v1/pages/a:b/approvals", {"page_version": 3, "space_id": "1"}),
    ],
)
async def test_wrong_types_and_unknown_fields_are_malformed(service: Service, path: str, body: Any) -> None:
    before = await service.log.positions()
    problem(await service.post(path, body), Reason.MALFORMED)
    assert await service.log.positions() == before


async def test_too_large_a_body_is_refused_chunked_or_not(service: Service) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b"x" * 65_536

    before = await service.log.positions()
    for path in ("/webhooks/forge", "/webhooks/data-center?site=dc-one", "/v1/workflows"):
        problem(await service.client.post(path, content=b"x" * (10 << 20)), Reason.TOO_LARGE)
        problem(await service.client.post(path, content=chunks()), Reason.TOO_LARGE)
    assert await service.log.positions() == before


@pytest.mark.parametrize(
    ("extra", "key", "reason", "field"),
    [
        ({}, None, Reason.IDEMPOTENCY_KEY_MISSING, "Idempotency-Key"),
        ({}, "x" * 256, Reason.MALFORMED, "Idempotency-Key"),
        ({}, "a\tb", Reason.MALFORMED, "Idempotency-Key"),
        ({"If-Match": "3"}, "k", Reason.MALFORMED, "If-Match"),
        ({"If-Match": 'W/"3"'}, "k", Reason.MALFORMED, "If-Match"),
        ({"If-Match": '"-1"'}, "k", Reason.MALFORMED, "If-Match"),
    ],
)
async def test_headers_are_checked(service: Service, extra: dict[str, str], key: str | None, reason: Reason, field: str) -> None:
    problem(await service.post("/v1/approvals/5-1/reset", None, key=key, extra=extra), reason, field)


@pytest.mark.parametrize("days", [-8, 1])
async def test_facts_read_at_an_impossible_time_are_refused(service: Service, days: int) -> None:
    body = {"active": True, "read_at": (now() + timedelta(days=days)).isoformat()}
    problem(await service.send("PUT", "/v1/licence", body, None), Reason.TIME_OUT_OF_RANGE, "/read_at")


async def test_tokens_that_are_not_accepted(service: Service) -> None:
    before = await service.log.positions()
    good = service.issuer.forge("site-one", "a")
    for token in ("", "x", good[:-4] + "AAAA", service.issuer.forge("site-one", "a", lifetime=-10), "x" * 20_000):
        response = await service.post("/v1/approvals/5-1/reset", None, token=token)
        problem(response, Reason.UNAUTHENTICATED)
        assert response.headers["www-authenticate"]
    problem(await service.client.post("/v1/approvals/5-1/reset"), Reason.UNAUTHENTICATED)
    problem(await service.client.post("/webhooks/forge", content=b"not json"), Reason.UNAUTHENTICATED)
    assert await service.log.positions() == before


async def test_unknown_places_and_methods_are_problems_too(service: Service) -> None:
    problem(await service.client.get("/v1/nothing"), Reason.NOT_FOUND)
    problem(await service.client.get("/v1/workflows"), Reason.MALFORMED, status=405)
    problem(await service.post("/v1/approvals/none/reset", None), Reason.NOT_FOUND)


@pytest.mark.parametrize(("licence", "status"), [("inactive", 403), ("none", 403), ("active", 202)])
async def test_production_without_a_licence_changes_nothing(service: Service, licence: str, status: int) -> None:
    response = await service.post("/v1/approvals/5-1/reset", None, licence=licence)
    assert response.status_code == status
    if status == 403:
        problem(response, Reason.LICENCE_INACTIVE)


async def test_the_early_guard_refuses_what_is_certain_and_not_what_is_unknown(service: Service, database: Database) -> None:
    body = {"space_id": "4711", "definition": DEFINITION}
    assert (await service.post("/v1/workflows", body)).status_code == 202
    connection = await asyncpg.connect(database.dsn())
    await connection.execute(
        "INSERT INTO directory.space (site_id, space_id, admins, admins_read_at) VALUES ('site-one', '4711', '{712020:bob}', now())"
    )
    await connection.execute("INSERT INTO approvals.workflow VALUES ('site-one', 'wf-1', 2, 1, '4711', false, '{712020:carol}')")
    await connection.execute(
        "INSERT INTO approvals.definition VALUES ('site-one', 'wf-1', 1, $1)",
        json.dumps(DEFINITION),
    )
    await connection.execute(
        "INSERT INTO approvals.page (site_id, page_id, version, page_version, space_id, state, state_at, edited_at, author_id,"
        " editor_id, run, workflow_id, workflow_version, approved_version, status, step, round, approvals, seats, submitted_at)"
        " VALUES ('site-one', '5', 2, 3, '4711', 'current', now(), now(), '712020:ann', null,"
        " 1, 'wf-1', 1, 3, 'open', 0, 1, 0, '\\x', now())"
    )
    await connection.close()
    await service.log.skip()
    problem(await service.post("/v1/workflows", body, key="2"), Reason.NOT_PERMITTED)
    problem(await service.post("/v1/approvals/5-1/decisions", DECISION, key="3"), Reason.FOUR_EYES)
    problem(await service.post("/v1/approvals/5-1/decisions", DECISION, "712020:bob", key="3"), Reason.NOT_AN_APPROVER)
    rejection = DECISION | {"verdict": "reject"}
    problem(await service.post("/v1/approvals/5-1/decisions", rejection, key="4"), Reason.COMMENT_REQUIRED)
    problem(await service.post("/v1/approvals/5-1/reset", None, key="5"), Reason.NOT_PERMITTED)
    stale = {"If-Match": '"1"'}
    problem(
        await service.post("/v1/approvals/5-1/reset", None, "712020:carol", key="6", extra=stale),
        Reason.VERSION_CONFLICT,
    )
    for who in ("712020:bob", "712020:carol"):
        assert (await service.post("/v1/approvals/5-1/reset", None, who)).status_code == 202
    # A version, a run or a site not heard of yet may be on its way.
    ahead = await service.post("/v1/approvals/5-1/decisions", DECISION | {"page_version": 4}, key="7")
    later = await service.post("/v1/approvals/5-2/decisions", DECISION, key="8")
    elsewhere = await service.post("/v1/approvals/5-1/decisions", DECISION, key="9", site="site-two")
    assert {ahead.status_code, later.status_code, elsewhere.status_code} == {202}
    assert len(await service.log.next(5)) == 5
