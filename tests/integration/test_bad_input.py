"""Input that is bad in every way we could think of: refused with a reason, kept nowhere, and at nobody else's cost."""

import asyncio
import json
import time
from typing import Any

import asyncpg
import httpx
import pytest

from shared.clock import now
from shared.contracts.reasons import Reason
from tests.integration.command_stack import Service, problem
from tests.stack import Database

DECIDE = "/v1/approvals/5-1/decisions"
DECISION = {"page_version": 3, "verdict": "reject", "comment": "No."}
STEP: dict[str, Any] = {"name": "one", "approvers": [{"kind": "account", "id": "712020:ann"}], "rule": {"kind": "all"}}
DEFINITION = {"name": "Review", "steps": [STEP]}
WORKFLOW = {"space_id": "4711", "definition": DEFINITION}
DEEP = 10_000
MARK = "zebra-in-the-input"


@pytest.fixture(autouse=True)
async def _fresh(service: Service, database: Database) -> None:
    await service.log.skip()
    connection = await asyncpg.connect(database.dsn())
    await connection.execute("TRUNCATE command.idempotency_key")
    await connection.close()


def decision(**changes: Any) -> bytes:
    return json.dumps(DECISION | changes).encode()


def workflow(**changes: Any) -> bytes:
    return json.dumps(WORKFLOW | {"definition": DEFINITION | changes}).encode()


def raw(text: bytes) -> bytes:
    """A decision with these bytes as its comment."""
    return decision(comment="@").replace(b"@", text)


BODIES = [
    ("not json", DECIDE, f"{MARK} {{".encode(), Reason.MALFORMED, ""),
    ("cut short", DECIDE, decision()[:-4], Reason.MALFORMED, ""),
    ("two documents", DECIDE, decision() + decision(), Reason.MALFORMED, ""),
    ("ten megabytes", DECIDE, decision(comment="x" * (10 << 20)), Reason.TOO_LARGE, None),
    ("deep arrays", DECIDE, raw(b'",' + b'"x":' + b"[" * DEEP + b"]" * DEEP + b',"y":"'), Reason.MALFORMED, ""),
    ("deep objects", DECIDE, b'{"a":' * DEEP + b"1" + b"}" * DEEP, Reason.MALFORMED, ""),
    ("a number as text", DECIDE, decision(page_version="3"), Reason.MALFORMED, "/page_version"),
    ("a fraction", DECIDE, decision(page_version=3.5), Reason.MALFORMED, "/page_version"),
    ("a truth", DECIDE, decision(page_version=True), Reason.MALFORMED, "/page_version"),
    ("a huge number", DECIDE, decision(page_version=10**400), Reason.MALFORMED, "/page_version"),
    ("infinity", DECIDE, decision(page_version=float("inf")), Reason.MALFORMED, "/page_version"),
    ("nothing", DECIDE, decision(verdict=None), Reason.MALFORMED, "/verdict"),
    ("an unknown verdict", DECIDE, decision(verdict=MARK), Reason.MALFORMED, "/verdict"),
    ("a list of verdicts", DECIDE, decision(verdict=["approve"]), Reason.MALFORMED, "/verdict"),
    ("a reason of one's own", DECIDE, decision(reason="four_eyes"), Reason.MALFORMED, ""),
    ("another site's", DECIDE, decision(site_id="site-two"), Reason.MALFORMED, ""),
    ("another caller", DECIDE, decision(caller={"account_id": "712020:bob"}), Reason.MALFORMED, ""),
    ("NUL", DECIDE, decision(comment=f"a\x00{MARK}"), Reason.MALFORMED, "/comment"),
    ("a bare NUL", DECIDE, raw(b"a\x00b"), Reason.MALFORMED, ""),
    ("an unpaired surrogate", DECIDE, raw(b"a\\ud800b"), Reason.MALFORMED, ""),
    ("surrogates the wrong way round", DECIDE, raw(b"a\\udc00\\ud800b"), Reason.MALFORMED, ""),
    ("a surrogate in bytes", DECIDE, raw(b"a\xed\xa0\x80b"), Reason.MALFORMED, ""),
    ("no UTF-8", DECIDE, raw(b"\xff\xfe"), Reason.MALFORMED, ""),
    ("UTF-16", DECIDE, decision().decode().encode("utf-16"), Reason.MALFORMED, ""),
    ("an unknown rule", "/v1/workflows", workflow(steps=[STEP | {"rule": {"kind": MARK}}]), Reason.MALFORMED, "/definition/steps/0/rule"),
    ("an unknown effect", "/v1/workflows", workflow(on_edit=MARK), Reason.MALFORMED, "/definition/on_edit"),
    ("no steps", "/v1/workflows", workflow(steps=[]), Reason.MALFORMED, "/definition/steps"),
    ("too many steps", "/v1/workflows", workflow(steps=[STEP] * 51), Reason.MALFORMED, "/definition/steps"),
    ("nobody's id", "/v1/workflows", workflow(owners=["unknown"]), Reason.MALFORMED, "/definition/owners/0"),
    ("a surrogate as an id", "/v1/workflows", workflow(owners=["\ud800"]), Reason.MALFORMED, ""),
]


@pytest.mark.parametrize(("path", "body", "reason", "field"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
async def test_a_bad_body_leaves_no_trace_and_its_key_is_free(
    service: Service, path: str, body: bytes, reason: Reason, field: str | None,
) -> None:
    """A sender who mends its request may repeat it under the key it had."""
    before = await service.log.positions()
    response = await service.post(path, body, key="mine")
    problem(response, reason, field)
    assert MARK not in response.text
    assert await service.log.positions() == before
    good = DECISION if path == DECIDE else WORKFLOW
    assert (await service.post(path, good, key="mine")).status_code == 202
    await service.log.next()


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        ("0001-01-01T00:00:00Z", Reason.TIME_OUT_OF_RANGE), ("1969-12-31T23:59:59Z", Reason.TIME_OUT_OF_RANGE),
        ("9999-12-31T23:59:59Z", Reason.TIME_OUT_OF_RANGE), ("9999-12-31T23:59:59-23:59", Reason.TIME_OUT_OF_RANGE),
        ("0001-01-01T00:00:00+23:59", Reason.TIME_OUT_OF_RANGE), ("2026-02-30T00:00:00Z", Reason.MALFORMED),
        ("2026-11-02T09:30:00", Reason.MALFORMED), ("yesterday", Reason.MALFORMED), (10**30, Reason.MALFORMED), (None, Reason.MALFORMED),
    ],
)
async def test_a_moment_that_cannot_be_leaves_no_trace(service: Service, moment: object, reason: Reason) -> None:
    before = await service.log.positions()
    problem(await service.send("PUT", "/v1/licence", {"active": True, "read_at": moment}, None), reason, "/read_at")
    assert await service.log.positions() == before
    good = {"active": True, "read_at": now().isoformat()}
    assert (await service.send("PUT", "/v1/licence", good, None)).status_code == 202
    await service.log.next()


PLACES = [
    ("POST", "/v1/approvals/%00/decisions", Reason.NOT_FOUND), ("POST", "/v1/approvals/5-0/decisions", Reason.NOT_FOUND),
    ("POST", f"/v1/approvals/5-{'9' * 300}/decisions", Reason.NOT_FOUND), ("POST", "/v1/approvals/5-%D9%A1/decisions", Reason.NOT_FOUND),
    ("POST", "/v1/approvals/a:b-1/decisions", Reason.MALFORMED), ("POST", "/v1/approvals/%ED%A0%80-1/decisions", Reason.MALFORMED),
    ("POST", f"/v1/approvals/{'p' * 200}-1/decisions", Reason.MALFORMED),
]


@pytest.mark.parametrize(("method", "path", "reason"), PLACES)
async def test_a_place_that_cannot_be_leaves_no_trace(service: Service, method: str, path: str, reason: Reason) -> None:
    before = await service.log.positions()
    problem(await service.send(method, path, DECISION), reason)
    assert await service.log.positions() == before


HEADERS: list[tuple[list[tuple[bytes, bytes]], Reason, str]] = [
    ([(b"Idempotency-Key", b"")], Reason.IDEMPOTENCY_KEY_MISSING, "Idempotency-Key"),
    ([(b"Idempotency-Key", b"k" * 100_000)], Reason.MALFORMED, "Idempotency-Key"),
    ([(b"Idempotency-Key", b"k\x00")], Reason.MALFORMED, "Idempotency-Key"),
    ([(b"Idempotency-Key", b"\xff\xfe")], Reason.MALFORMED, "Idempotency-Key"),
    ([(b"Idempotency-Key", b" k ")], Reason.MALFORMED, "Idempotency-Key"),
    ([(b"Idempotency-Key", b"k"), (b"If-Match", b'"' + b"9" * 10_000 + b'"')], Reason.MALFORMED, "If-Match"),
    ([(b"Idempotency-Key", b"k"), (b"If-Match", b'"1", "2"')], Reason.MALFORMED, "If-Match"),
    ([(b"Idempotency-Key", b"k"), (b"If-Match", b"\xb2")], Reason.MALFORMED, "If-Match"),
]


async def with_headers(service: Service, named: list[tuple[bytes, bytes]]) -> httpx.Response:
    token = service.issuer.forge("site-one", "712020:ann").encode()
    return await service.client.post(DECIDE, content=decision(), headers=[(b"Authorization", b"Bearer " + token), *named])


@pytest.mark.parametrize(("named", "reason", "field"), HEADERS)
async def test_absurd_headers_leave_no_trace(
    service: Service, named: list[tuple[bytes, bytes]], reason: Reason, field: str,
) -> None:
    before = await service.log.positions()
    problem(await with_headers(service, named), reason, field)
    assert await service.log.positions() == before


@pytest.mark.parametrize(
    "extra",
    [
        (b"Prefer", b"wait=99999999999999999999"), (b"Prefer", b"wait=-1"), (b"Prefer", b"\xff" * 1000), (b"traceparent", b"\xff\x00"),
        (b"traceparent", b"00-" + b"0" * 5000), (b"tracestate", b"=" * 5000), (b"Content-Type", b"text/\xff"),
        (b"X-Whatever", b"x" * 60_000),
        (b"baggage", b"a=" + b"%00" * 3000),
    ],
)
async def test_absurd_headers_that_mean_nothing_here_are_passed_over(service: Service, extra: tuple[bytes, bytes]) -> None:
    assert (await with_headers(service, [(b"Idempotency-Key", b"k"), extra])).status_code == 202
    [(_, envelope)] = await service.log.next()
    assert envelope.reply_partition is None
    assert envelope.traceparent is None or envelope.traceparent.count("-") == 3


async def test_a_key_belongs_to_its_site_and_its_person(service: Service) -> None:
    """A key of another site, even with another body, is no hint of what that site asked for."""
    first = await service.post(DECIDE, DECISION, key="shared")
    elsewhere = await service.post(DECIDE, DECISION | {"comment": "Other."}, key="shared", site="site-two")
    someone = await service.post(DECIDE, DECISION | {"comment": "Third."}, "712020:bob", key="shared")
    assert {r.status_code for r in (first, elsewhere, someone)} == {202}
    assert len({r.json()["command_id"] for r in (first, elsewhere, someone)}) == 3
    assert {key.decode() for key, _ in await service.log.next(3)} == {"site-one:5", "site-two:5"}


@pytest.mark.parametrize("name", ["not json", "cut short", "two documents", "deep objects", "a bare NUL", "no UTF-8", "UTF-16"])
async def test_webhooks_refuse_what_is_no_object_and_keep_nothing(service: Service, name: str) -> None:
    body = next(row[2] for row in BODIES if row[0] == name)
    before = await service.log.positions()
    token = service.issuer.forge("site-one")
    problem(await service.client.post("/webhooks/forge", content=body, headers={"Authorization": f"Bearer {token}"}), Reason.MALFORMED)
    signed = service.issuer.data_center("dc-one", body)
    problem(await service.client.post("/webhooks/data-center?site=dc-one", content=body, headers=signed), Reason.MALFORMED)
    assert await service.log.positions() == before


async def test_bad_requests_cost_nobody_else_their_turn(service: Service) -> None:
    """Good requests sent among bad ones are each answered, and soon."""

    async def good(number: int) -> float:
        began = time.monotonic()
        response = await service.post(DECIDE, DECISION, key=f"good-{number}")
        assert response.status_code == 202
        return time.monotonic() - began

    bad = [service.post(path, body, key=f"bad-{name}") for name, path, body, _, _ in BODIES]
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*bad, *(good(number) for number in range(20)))
    refused, took = answers[: len(BODIES)], answers[len(BODIES):]
    assert {r.status_code for r in refused if isinstance(r, httpx.Response)} == {413, 422}
    assert max(seconds for seconds in took if isinstance(seconds, float)) < 5
    assert len(await service.log.next(20)) == 20
