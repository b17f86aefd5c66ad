"""All that marked words are said in: what is accepted, and every way in which something is not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import orjson

from services.local.supervisor import PARTITIONS, SERVICES
from shared.clock import now
from shared.contracts.commands import RecordDecision, RecordGroupMembers
from shared.contracts.envelope import headers
from shared.contracts.events import DecisionRecorded
from shared.contracts.replies import Outcome
from shared.contracts.topics import EVENTS, INTAKE, REPLIES
from shared.kafka import Outgoing
from tests.builders import a_caller, a_decision
from tests.e2e.site import ADMIN, ANN, AUTHOR, SPACE
from tests.e2e.speaker import TOO_LARGE, Headers, Speaker
from tests.e2e.test_quarantine import put_on_intake

PERSON = "712020:bob"


async def accepted(s: Speaker) -> str:
    """What is taken in: a workflow, facts, an approval, comments of both kinds; the id of the open approval."""
    read_at = now().isoformat()
    await s.done("PUT", f"/v1/directory/spaces/{SPACE}/admins", {"admins": [ADMIN], "read_at": read_at}, None)
    await s.done("PUT", "/v1/directory/groups/reviewers", {"members": [PERSON], "read_at": read_at}, None)
    workflow = await s.workflow()
    await s.done("PUT", f"/v1/workflows/{workflow}/assignments/space/{SPACE}", {})
    rejected = await s.submit("901", workflow)
    assert (await s.decide(rejected, ANN, "reject")).status_code == 200
    approval = await s.submit("900", workflow)
    assert (await s.decide(approval, ANN)).status_code == 200
    return approval


async def told(s: Speaker) -> None:
    """Webhooks of all three kinds, with tokens in the header and in the query."""
    assert (await s.post_forge(s.hook())).status_code == 204
    path = "/webhooks/connect/installed"
    installed = s.stack.issuer.install(s.stack.address("command"), path)
    assert (await s.say("POST", path, s.stack.issuer.install_body(), f"JWT {installed}", query=False)).status_code == 204
    page = {"id": 7002, "title": s.marks["title"], "version": 1, "spaceKey": "DOCS", "creatorName": s.marks["name"]}
    body = {"timestamp": int(now().timestamp() * 1000), "userAccountId": AUTHOR, "page": page, s.marks["field"]: s.marks["hook"]}
    assert (await s.post_connect("page_created", body)).status_code == 204
    assert (await s.post_connect("page_updated", body, in_query=True)).status_code == 204
    assert (await s.post_data_center(body | {"event": "page_created", "userKey": "ff80"})).status_code == 204
    assert (await s.post_connect(f"label_{s.marks['id']}", body)).status_code == 200


async def refused(s: Speaker, approval: str) -> None:
    """Commands that are malformed, of a wrong type, unknown, too large, stale, or about what cannot be."""
    value, field, ident = s.marks["value"], s.marks["field"], s.marks["id"]
    decisions, approvals = f"/v1/approvals/{approval}/decisions", "/v1/pages/1/approvals"
    step = {"name": value, "approvers": [{"kind": value, "id": value}], "rule": {"kind": value}, field: value}
    for method, path, body in (
        ("POST", f"/v1/pages/{ident}!/approvals", {"page_version": 1, "space_id": SPACE}),
        ("POST", f"/v1/pages/{ident}%00%20/approvals", {"page_version": 1, "space_id": SPACE}),
        ("POST", f"/v1/approvals/{ident}/decisions", {"page_version": 1, "verdict": "approve"}),
        ("POST", approvals, {"page_version": value, "space_id": SPACE}),
        ("POST", approvals, {"page_version": 1, "space_id": f"{value}!"}),
        ("POST", approvals, {"page_version": 1, "space_id": SPACE, field: value}),
        ("POST", "/v1/workflows", {"space_id": SPACE, "definition": {"name": value, "steps": [step]}}),
        ("POST", "/v1/workflows", {"space_id": SPACE, "definition": {"name": value * 20, "steps": value, field: {field: value}}}),
        ("PUT", f"/v1/workflows/{ident}!", {"definition": {field: value}}),
        ("PUT", f"/v1/workflows/wf-1/assignments/{ident}/{ident}", {}),
        ("POST", decisions, {"page_version": 1, "verdict": value}),
        ("POST", decisions, {"page_version": 1, "verdict": "reject", "comment": {field: value}}),
        ("POST", decisions, {"page_version": 1, "verdict": "reject", "comment": [value]}),
        ("POST", decisions, f'{{"verdict": "{value}'.encode()),
        ("POST", decisions, b'{"comment": "\xff' + value.encode() + b'"}'),
        ("POST", decisions, value.encode() * (TOO_LARGE // len(value))),
        ("POST", f"/v1/{ident}", {}), ("PATCH", f"/v1/workflows/{ident}", {}), ("POST", f"/v1/workflows/{ident}/", {}),
    ):
        assert (await s.command(method, path, body)).status_code >= 400, (method, path, body)
    for path, facts in (
        (f"/v1/directory/groups/{ident}!", {"members": [], "read_at": now().isoformat()}),
        ("/v1/directory/groups/reviewers", {"members": [f"{value}!"], "read_at": now().isoformat()}),
        ("/v1/licence", {"active": value, "read_at": value}),
    ):
        assert (await s.command("PUT", path, facts, None)).status_code >= 400, path
    assert (await s.decide(approval, PERSON)).json()["reason"] == "not_an_approver"
    assert (await s.decide(approval, ADMIN, version=9)).json()["reason"] == "page_version_stale"
    strange: list[Headers] = [
        {"Idempotency-Key": b"\xff" + s.marks["header"].encode()}, {"If-Match": s.marks["header"]}, {"Idempotency-Key": ""},
        {"tracestate": f"{s.marks['header']},=,{s.marks['header']}=;", "baggage": f"{s.marks['header']};;=,,%zz"},
        {"traceparent": s.marks["header"]}, {"Prefer": f"wait={s.marks['header']}", "Content-Type": s.marks["header"]},
    ]
    for extra in strange:
        assert (await s.command("POST", decisions, {"page_version": 1, "verdict": value}, extra=extra)).status_code >= 400, extra


async def unauthenticated(s: Speaker) -> None:
    """Tokens that are forged, too old, another's, in a wrong place, or none at all; signatures likewise."""
    body, junk = {"page_version": 1, "verdict": "approve"}, s.junk_token()
    good = s.bearer(ANN)
    for signed in (
        None, f"Bearer {junk}", f"JWT {junk}", f"Basic {junk}", s.marks["header"], f"Bearer {good[:-9:-1]}", good[:-8] + "AAAAAAAA",
        s.bearer(ANN, lifetime=-60), f"Bearer {s.marks['value'] * 1000}", s.jwt("POST", "/elsewhere", ANN),
    ):
        assert (await s.say("POST", "/v1/approvals/900-1/decisions", body, signed)).status_code == 401
        assert (await s.say("GET", "/v1/approvals/900-1", None, signed, service="console")).status_code == 401
        assert (await s.say("POST", "/webhooks/forge", s.hook(), signed)).status_code == 401
    assert (await s.post_connect("page_created", {}, elsewhere=True)).status_code == 401
    assert (await s.say("POST", f"/webhooks/connect/page_created?jwt={junk}", {})).status_code == 401
    assert (await s.post_data_center(s.hook(), forged=True)).status_code == 401
    assert (await s.post_data_center(s.hook(), site=s.marks["id"])).status_code == 401
    install = {"clientKey": s.marks["value"], "sharedSecret": s.marks["secret"], "baseUrl": s.marks["value"], s.marks["field"]: 1}
    for event in ("installed", "uninstalled"):
        assert (await s.say("POST", f"/webhooks/connect/{event}", install, f"JWT {junk}")).status_code >= 400


async def mistold(s: Speaker) -> None:
    """Webhooks with something in them that cannot be."""
    value, ident = s.marks["value"], s.marks["id"]
    for body in (
        s.hook(eventType=[value]), s.hook(eventType=f"avi:confluence:{ident}:page:{value}"), s.hook(eventCreatedDate=value),
        s.hook(eventCreatedDate="1999-01-01T00:00:00Z"), s.hook(content={"id": f"{ident}!"}), s.hook(content={"id": {value: value}}),
        s.hook(content={"version": value}), s.hook(content={"version": {"number": 1, "by": value}}), s.hook(content={"space": value}),
        s.hook(content={"space": {"key": f"{ident} "}}), s.hook(cloudId=ident), s.hook(context={"cloudId": ident}),
        s.hook(atlassianId=f"{s.marks['name']}!"), f'["{value}"]'.encode(), f'{{"{value}": '.encode(), value.encode() * 20_000,
    ):
        assert (await s.post_forge(body)).status_code in {200, 204, 400, 403, 413, 422}, body
        assert (await s.post_connect(f"page_{ident}", body)).status_code in {200, 413, 422}
    body = {"timestamp": value, "page": {"id": f"{ident}!", "version": value}, "event": "page_updated"}
    assert (await s.post_connect("page_updated", body)).status_code == 422
    assert (await s.post_data_center(body)).status_code == 422
    assert (await s.post_data_center(value.encode())).status_code == 422


async def read(s: Speaker) -> None:
    """Reads with something in them that cannot be, and the operators' page for somebody who is none."""
    value, ident = s.marks["value"], s.marks["id"]
    for path in (
        f"/v1/approvals/{ident}!", f"/v1/approvals/{ident}", f"/v1/approvals/{ident}-1", f"/v1/pages/{ident}%20/approval",
        f"/v1/commands/{ident}", f"/v1/workflows/{ident}!", f"/v1/audit/pages/{ident}!", f"/v1/audit/actors/{ident}!", f"/v1/{ident}",
        f"/v1/audit?cursor={value}", f"/v1/audit?from={value}", f"/v1/audit?limit={value}", f"/v1/audit?order={value}",
        f"/v1/me/decisions?cursor={value}&{s.marks['field']}={value}", f"/v1/approvals/{ident}/",
    ):
        answer = await s.say("GET", path, None, s.bearer(ADMIN), service="console", extra={"If-None-Match": s.marks["header"]})
        assert answer.status_code >= 400, path
    s.client.cookies.clear()
    for signed in (f"Basic {s.junk_token()}", f"Basic {s.marks['secret']}", s.bearer(ADMIN)):
        answer = await s.say("GET", "/operations", None, signed, service="console", extra={"Sec-Fetch-Mode": "cors"})
        assert answer.status_code == 401


async def garbled(s: Speaker) -> None:
    """What is no HTTP, or breaks off."""
    word = s.marks["value"].encode()
    for service in SERVICES:
        place = urlsplit(s.stack.address(service))
        for sent in (
            word + b"\r\n\r\n", word + b" / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /" + word + b" HTTP/9.9\r\n" + word + b"\r\n\r\n",
            b"GET /" + word + b" HTTP/1.1\r\nHost: x\r\nUpgrade: " + word + b"\r\nConnection: Upgrade\r\n\r\n",
            b"POST /webhooks/forge HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n" + word,
        ):
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            writer.write(sent)
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                s.answers.append(await asyncio.wait_for(reader.read(1 << 16), 0.3))
            writer.close()


async def poisoned(s: Speaker) -> None:
    """Records on each topic that nobody can read, and one that can be read whose headers say what they should not."""
    key, word, app = f"{s.site}:930".encode(), s.marks["poison"], a_caller(None)
    decision = a_decision(site_id=s.site, page_id="930").model_dump(mode="json")
    good = headers(RecordDecision, uuid4(), now(), "test")
    group = RecordGroupMembers(site_id=s.site, caller=app, group_id="traced", members=(), read_at=now())
    intake = [
        (key, f"{{{word}".encode(), [("ce_type", word.encode()), (word, word.encode())]),
        (key, orjson.dumps(decision | {word: word}), good),
        (key, orjson.dumps(decision | {"page_version": word, "caller": {word: word}}), good),
        (f"{s.site}:{s.marks['key']}".encode(), orjson.dumps(decision), good),
        (b"\xff" + s.marks["key"].encode(), b"\xff" + word.encode(), [(word, b"\xff")]),
        *((key, orjson.dumps(decision), [(n, word.encode() if n == name else v) for n, v in good]) for name in ("ce_id", "ce_time")),
        (f"{s.site}:traced".encode(), group.model_dump_json().encode(),
         headers(RecordGroupMembers, uuid4(), now(), word, traceparent=f"00-{word}-01")),
    ]
    told_of = headers(DecisionRecorded, uuid4(), now(), "test")
    wrong = orjson.dumps({"site_id": f"{word}!", "command_id": word, "occurred_at": word})
    events = [Outgoing(EVENTS.name, key, value, [*told_of, (word, word.encode())]) for value in (f"{{{word}".encode(), wrong)]
    answer, named = f'{{"result": "{word}", "{word}": 1}}'.encode(), headers(Outcome, uuid4(), now(), word)
    replies = [Outgoing(REPLIES.name, key, answer, named, partition) for partition in range(PARTITIONS)]
    planted = [*(Outgoing(INTAKE.name, *record) for record in intake), *events, *replies]
    s.planted |= {record.value for record in planted}
    await put_on_intake(s.stack, *planted)


@contextlib.asynccontextmanager
async def nothing_stored(s: Speaker) -> AsyncIterator[None]:
    """A database that takes no comment with our word in it, and does not let the console read workflows."""
    owner = await asyncpg.connect(s.stack.postgres.dsn())
    try:
        await owner.execute("ALTER TABLE approvals.comment ADD CONSTRAINT strict CHECK (NOT body LIKE 'Once more%') NOT VALID")
        await owner.execute("REVOKE SELECT ON approvals.workflow FROM approvalflow_console")
        yield
        await owner.execute("ALTER TABLE approvals.comment DROP CONSTRAINT strict")
        await owner.execute("GRANT SELECT ON approvals.workflow TO approvalflow_console")
    finally:
        await owner.close()


async def unstorable(s: Speaker) -> None:
    """A decision that the database will not take, and an error that nobody reckoned with."""
    approval = await s.submit("940", await s.workflow())
    async with nothing_stored(s):
        assert (await s.decide(approval, ANN, wait=2)).status_code == 202
        path = f"/v1/workflows/{s.marks['id']}"
        assert (await s.say("GET", path, None, s.bearer(ADMIN), service="console")).status_code == 500


async def without_database(s: Speaker, approval: str) -> None:
    """All of it while the database is away: accepted, told to come again, or refused."""
    await s.stack.postgres.stop()
    try:
        assert (await s.decide(approval, ADMIN, wait=0)).status_code == 202
        assert (await s.post_forge(s.hook())).status_code == 204
        assert (await s.say("GET", f"/v1/pages/{s.marks['id']}/approval", None, s.bearer(ANN), service="console")).status_code == 503
        assert (await s.command("POST", f"/v1/pages/{s.marks['id']}!/approvals", {})).status_code == 422
    finally:
        await s.stack.postgres.start()
