"""The command service over HTTP, with the real database and the real log."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from services.command.settings import Settings
from services.local.issuer import LocalIssuer
from shared.clock import now
from shared.contracts import commands as c
from shared.contracts.base import Channel, Licence
from shared.contracts.facts import AppChanged, PageChange, PageChanged
from shared.contracts.reasons import Reason
from shared.contracts.replies import Outcome
from tests.integration.command_stack import BASE_URL, Service, problem, running, settings_for
from tests.stack import Database, Log

DEFINITION: dict[str, Any] = {
    "name": "Review",
    "steps": [{"name": "one", "approvers": [{"kind": "account", "id": "712020:ann"}], "rule": {"kind": "all"}}],
}
DECISION = {"page_version": 3, "verdict": "approve"}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> LocalIssuer:
    return LocalIssuer.load_or_create(tmp_path_factory.mktemp("state"), ("dc-one", "dc-two"))


@pytest.fixture(scope="module")
def settings(database: Database, broker: Log, topics: list[str], issuer: LocalIssuer) -> Settings:
    return settings_for(database, broker, issuer)


@pytest.fixture(scope="module")
async def service(settings: Settings, issuer: LocalIssuer) -> AsyncIterator[Service]:
    async with running(settings, issuer) as started:
        yield started


@pytest.fixture(autouse=True)
async def _fresh(service: Service, database: Database) -> AsyncIterator[None]:
    await service.log.skip()
    yield
    connection = await asyncpg.connect(database.dsn())
    try:
        await connection.execute(
            "TRUNCATE command.idempotency_key, command.connect_tenant, directory.space, directory.site, approvals.page,"
            " approvals.workflow, approvals.definition"
        )
    finally:
        await connection.close()


async def forge_hook(service: Service, site: str = "site-one", **changes: Any) -> httpx.Response:
    body = {
        "eventType": "avi:confluence:updated:page",
        "atlassianId": "712020:ann",
        "eventCreatedDate": now().isoformat(),
        "content": {
            "id": "31337",
            "type": "page",
            "title": "Travel",
            "space": {"id": 4711, "key": "POL"},
            "version": {"number": 3},
        },
    } | changes
    token = service.issuer.forge(site)
    return await service.client.post("/webhooks/forge", json=body, headers={"Authorization": f"Bearer {token}"})


async def test_a_page_event_is_on_the_log_before_it_is_answered(service: Service) -> None:
    response = await forge_hook(service)
    assert (response.status_code, response.content) == (204, b"")
    [(key, envelope)] = await service.log.next()
    assert key == b"site-one:31337"
    assert isinstance(envelope.data, PageChanged)
    assert (envelope.data.change, envelope.data.page_version, envelope.data.space_id) == (PageChange.UPDATED, 3, "4711")
    assert envelope.data.caller.channel is Channel.FORGE


async def test_the_same_event_again_carries_the_same_id(service: Service) -> None:
    at = now().isoformat()
    extras: tuple[dict[str, Any], ...] = (
        {},
        {"retryContext": {"retryCount": 1, "retryReason": "TIMEOUT_ERROR", "retryData": None}},
    )
    for extra in extras:
        assert (await forge_hook(service, eventCreatedDate=at, **extra)).status_code == 204
    (_, one), (_, two) = await service.log.next(2)
    assert (one.id, one.data) == (two.id, two.data)


async def test_an_event_of_no_consequence_is_answered_200_and_published_nowhere(service: Service) -> None:
    before = await service.log.positions()
    assert (await forge_hook(service, eventType="avi:confluence:liked:page")).status_code == 200
    assert await service.log.positions() == before
    metrics = (await service.client.get("/metrics")).text
    assert metrics.startswith("#")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"eventCreatedDate": (datetime.now(UTC) - timedelta(days=8)).isoformat()}, Reason.TIME_OUT_OF_RANGE),
        ({"eventCreatedDate": "9999-12-31T23:59:59Z"}, Reason.TIME_OUT_OF_RANGE),
        ({"eventCreatedDate": "0001-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE),
        ({"content": {"id": ["31337"]}}, Reason.MALFORMED),
        ({"content": {"id": "a\x00b"}}, Reason.MALFORMED),
        ({"context": {"cloudId": "site-two"}}, Reason.SITE_MISMATCH),
    ],
)
async def test_impossible_events_are_refused_and_published_nowhere(service: Service, changes: dict[str, Any], reason: Reason) -> None:
    before = await service.log.positions()
    problem(await forge_hook(service, **changes), reason)
    assert await service.log.positions() == before


async def test_data_center_signs_the_raw_body_for_its_site(service: Service) -> None:
    body = json.dumps({"timestamp": int(now().timestamp() * 1000), "event": "page_trashed", "userKey": "", "page": {"id": 5}}).encode()
    for site, signed_by, status in (
        ("dc-one", "dc-one", 204),
        ("dc-two", "dc-one", 401),
        ("dc-three", "dc-one", 401),
        ("", "dc-one", 401),
    ):
        found = await service.client.post(
            "/webhooks/data-center",
            params={"site": site},
            content=body,
            headers=service.issuer.data_center(signed_by, body),
        )
        assert found.status_code == status
    [(key, _)] = await service.log.next()
    assert key == b"dc-one:5"


async def install(service: Service, path: str = "/webhooks/connect/installed", **changes: Any) -> httpx.Response:
    token = changes.pop("token", None) or service.issuer.install(BASE_URL, path)
    return await service.client.post(path, json=service.issuer.install_body() | changes, headers={"Authorization": f"JWT {token}"})


async def connect(service: Service, method: str, path: str, body: Any, account: str | None = "acc-1", **extra: str) -> httpx.Response:
    token = service.issuer.connect(account, method, path)
    return await service.client.request(method, path, json=body, headers={"Authorization": f"JWT {token}"} | extra)


async def test_a_connect_tenant_from_install_to_removal(service: Service, database: Database) -> None:
    moved = {"page": {"id": 7, "version": 2}, "timestamp": int(now().timestamp() * 1000)}
    problem(await connect(service, "POST", "/webhooks/connect/page_moved", moved), Reason.UNAUTHENTICATED)
    assert (await install(service)).status_code == 204
    [(key, envelope)] = await service.log.next()
    site = service.issuer.client_key
    assert (key.decode(), isinstance(envelope.data, AppChanged)) == (site, True)
    connection = await asyncpg.connect(database.dsn())
    stored = bytes(await connection.fetchval("SELECT encrypted_secret FROM command.connect_tenant"))
    await connection.close()
    assert service.issuer.connect_secret.encode() not in stored

    assert (await connect(service, "POST", "/webhooks/connect/page_moved?lic=active", moved)).status_code == 204
    [(key, envelope)] = await service.log.next()
    assert isinstance(envelope.data, PageChanged)
    assert (key.decode(), envelope.data.caller.licence) == (f"{site}:7", Licence.ACTIVE)

    assert (await install(service, "/webhooks/connect/uninstalled")).status_code == 204
    problem(await connect(service, "POST", "/webhooks/connect/page_moved", moved), Reason.UNAUTHENTICATED)


async def test_a_reinstall_must_be_signed_too(service: Service) -> None:
    assert (await install(service)).status_code == 204
    by_tenant = service.issuer.connect("acc-1", "POST", "/webhooks/connect/installed")
    other_path = service.issuer.install(BASE_URL, "/webhooks/connect/uninstalled")
    other_audience = service.issuer.install("https://else.example", "/webhooks/connect/installed")
    await service.log.next()
    before = await service.log.positions()
    for token in (by_tenant, other_path, other_audience):
        problem(await install(service, token=token, sharedSecret="attacker-secret-0123456789"), Reason.UNAUTHENTICATED)
    problem(await install(service, clientKey="someone-else"), Reason.UNAUTHENTICATED)
    assert await service.log.positions() == before
    moved = {"page": {"id": 7}, "timestamp": int(now().timestamp() * 1000)}
    assert (await connect(service, "POST", "/webhooks/connect/page_moved", moved)).status_code == 204


async def test_a_connect_token_is_good_for_its_own_request_only(service: Service) -> None:
    assert (await install(service)).status_code == 204
    token = service.issuer.connect("acc-1", "POST", "/v1/workflows")
    for method, path in (
        ("POST", "/v1/approvals/1-1/reset"),
        ("POST", "/v1/workflows?lic=active"),
        ("PUT", "/v1/workflows/x"),
    ):
        found = await service.client.request(method, path, headers={"Authorization": f"JWT {token}", "Idempotency-Key": "k"})
        problem(found, Reason.UNAUTHENTICATED)
    body = {"space_id": "4711", "definition": DEFINITION}
    created = await connect(service, "POST", "/v1/workflows?lic=active", body, **{"Idempotency-Key": "k"})
    assert created.status_code == 202, created.text


async def test_a_command_is_accepted_once_published_and_says_where_to_look(service: Service) -> None:
    response = await service.post("/v1/workflows", {"space_id": "4711", "definition": DEFINITION})
    assert response.status_code == 202, response.text
    said = response.json()
    assert response.headers["location"] == said["status_url"] == f"https://console.example/v1/commands/{said['command_id']}"
    [(key, envelope)] = await service.log.next()
    assert isinstance(envelope.data, c.CreateWorkflow)
    assert str(envelope.id) == said["command_id"]
    assert said["workflow_id"] == envelope.data.workflow_id == f"wf-{UUID(said['command_id']).hex}"
    assert key.decode() == f"site-one:{said['workflow_id']}"
    assert (envelope.data.caller.account_id, envelope.reply_partition) == ("712020:ann", None)


@pytest.mark.parametrize(
    ("method", "path", "body", "account", "model"),
    [
        ("PUT", "/v1/workflows/wf-1", {"definition": DEFINITION}, "a", c.ChangeWorkflow),
        ("DELETE", "/v1/workflows/wf-1", None, "a", c.ArchiveWorkflow),
        ("PUT", "/v1/workflows/wf-1/assignments/space/4711", None, "a", c.AssignWorkflow),
        ("POST", "/v1/pages/5/approvals", {"page_version": 3, "space_id": "4711"}, "a", c.SubmitApproval),
        ("POST", "/v1/approvals/a-b-5-1/decisions", DECISION, "a", c.RecordDecision),
        ("POST", "/v1/approvals/5-1/reset", {}, "a", c.ResetApproval),
        ("POST", "/v1/approvals/5-1/cancel", None, "a", c.CancelApproval),
        (
            "PUT",
            "/v1/directory/groups/g-1",
            {"members": ["a"], "read_at": now().isoformat()},
            None,
            c.RecordGroupMembers,
        ),
        (
            "PUT",
            "/v1/directory/spaces/4711/admins",
            {"admins": [], "read_at": now().isoformat()},
            None,
            c.RecordSpaceAdmins,
        ),
        (
            "PUT",
            "/v1/directory/workflows/wf-1/owners",
            {"owners": ["a"], "read_at": now().isoformat()},
            None,
            c.RecordWorkflowOwners,
        ),
        ("PUT", "/v1/licence", {"active": True, "read_at": now().isoformat()}, None, c.SetLicence),
    ],
)
async def test_every_command_becomes_its_message(
    service: Service,
    method: str,
    path: str,
    body: Any,
    account: str | None,
    model: type[c.SiteCommand],
) -> None:
    response = await service.send(method, path, body, account)
    assert response.status_code == 202, response.text
    [(_, envelope)] = await service.log.next()
    assert type(envelope.data) is model
    # What only the other kind of caller may ask is refused.
    other = await service.send(method, path, body, None if account else "a", key="other")
    problem(other, Reason.NOT_PERMITTED)


async def test_the_same_key_is_the_same_command(service: Service) -> None:
    decision = DECISION | {"verdict": "reject", "comment": "No: \u00e9"}
    ids = [(await service.post("/v1/approvals/5-1/decisions", decision)).json()["command_id"] for _ in range(2)]
    records = await service.log.next(2)
    assert ids == [str(envelope.id) for _, envelope in records]
    assert records[0][1].data == records[1][1].data  # the salt of the comment too
    problem(await service.post("/v1/approvals/5-1/decisions", DECISION), Reason.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")
    problem(await service.post("/v1/approvals/5-2/decisions", decision), Reason.IDEMPOTENCY_KEY_REUSED)
    problem(
        await service.post("/v1/approvals/5-1/decisions", decision, extra={"If-Match": '"1"'}),
        Reason.IDEMPOTENCY_KEY_REUSED,
    )
    others = [await service.post("/v1/approvals/5-1/decisions", decision, **who) for who in ({"account": "bob"}, {"site": "site-two"})]
    assert len({ids[0], *(other.json()["command_id"] for other in others)}) == 3


async def test_one_key_raced_by_many_is_one_command(service: Service) -> None:
    found = await asyncio.gather(*(service.post("/v1/approvals/5-1/decisions", DECISION) for _ in range(20)))
    assert {response.status_code for response in found} == {202}
    assert len({response.json()["command_id"] for response in found}) == 1
    assert len({envelope.id for _, envelope in await service.log.next(20)}) == 1


async def waited(service: Service, reply: dict[str, Any], callers: int = 1) -> list[httpx.Response]:
    ask = [
        asyncio.create_task(service.post("/v1/approvals/5-1/decisions", DECISION, extra={"Prefer": "respond-async, wait=9"}))
        for _ in range(callers)
    ]
    records = await service.log.next(callers)
    assert {envelope.reply_partition for _, envelope in records} == {0}
    await service.log.send_junk()
    await service.log.reply(Outcome(site_id="site-one", command_id=str(records[0][1].id), **reply))
    return await asyncio.gather(*ask)


async def test_everyone_who_waits_for_an_outcome_gets_it(service: Service) -> None:
    for response in await waited(service, {"result": "applied", "version": 4, "approval_id": "5-1", "status": "approved"}, 3):
        assert (response.status_code, response.headers["preference-applied"], response.headers["etag"]) == (
            200,
            "wait=9",
            '"4"',
        )
        assert (response.json()["status"], response.json()["version"]) == ("approved", 4)


async def test_a_refusal_that_was_waited_for_says_why(service: Service) -> None:
    [response] = await waited(service, {"result": "refused", "reason": "four_eyes"})
    problem(response, Reason.FOUR_EYES)


async def test_an_outcome_that_does_not_come_in_time_is_looked_up_later(service: Service) -> None:
    response = await service.post("/v1/approvals/5-1/decisions", DECISION, extra={"Prefer": "wait=1"})
    assert (response.status_code, "preference-applied" in response.headers) == (202, False)


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
        "INSERT INTO approvals.page VALUES ('site-one', '5', 2, 3, '4711', 'current', now(), now(), '712020:ann', null,"
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


async def test_a_log_that_does_not_answer_is_503_and_the_same_key_goes_on(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from faststream.kafka import KafkaBroker  # noqa: PLC0415

    async def never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(KafkaBroker, "publish", never)
        found = await asyncio.gather(service.post("/v1/approvals/5-1/reset", None), forge_hook(service))
        for response in found:
            problem(response, Reason.UNAVAILABLE)
            assert response.headers["retry-after"]
    assert (await service.post("/v1/approvals/5-1/reset", None)).status_code == 202
    await service.log.next()


async def test_more_at_once_than_allowed_are_turned_away_at_once(settings: Settings, issuer: LocalIssuer) -> None:
    async with running(settings.model_copy(update={"max_in_flight": 1}), issuer) as small:
        found = await asyncio.gather(*(forge_hook(small) for _ in range(30)))
        assert {response.status_code for response in found} == {204, 503}
        assert (await forge_hook(small)).status_code == 204


@pytest.mark.parametrize(
    ("error", "reason", "status"),
    [(ConnectionResetError("secret"), Reason.UNAVAILABLE, 503), (KeyError("secret"), Reason.UNAVAILABLE, 500)],
)
async def test_failures_are_problems_and_say_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: Reason, status: int
) -> None:
    async def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr("services.command.store.claim", fails)
    response = await service.post("/v1/approvals/5-1/reset", None)
    problem(response, reason, status=status)
    assert "secret" not in response.text


async def test_health_and_the_document(service: Service) -> None:
    assert (await service.client.get("/health/ready")).json() == {"database": True, "log": True}
    document = (await service.client.get("/openapi.json")).json()
    assert "/v1/approvals/{approval_id}/decisions" in document["paths"]
    missing = [ref for ref in _refs(document) if ref.removeprefix("#/components/schemas/") not in document["components"]["schemas"]]
    assert missing == []


def _refs(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for value in node.values() for ref in _refs(value)]
    return [ref for value in node for ref in _refs(value)] if isinstance(node, list) else []
