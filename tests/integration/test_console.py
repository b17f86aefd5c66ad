"""The console over HTTP, with its own role on the real database."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import rfc8785
from cryptography.fernet import Fernet
from joserfc import jwt

from services.console import answers
from services.local.issuer import LocalIssuer
from shared.chain import GENESIS, link
from shared.clock import now
from shared.contracts.reasons import DESCRIPTION, Reason
from shared.contracts.workflow import All
from tests.builders import NOON, a_definition, a_step, accounts, groups
from tests.integration.console_data import ONE, TWO, Data
from tests.integration.console_stack import Console, filling, running, settings_for
from tests.stack import Database

PATHS = (
    "/v1/approvals/900-1", "/v1/pages/900/approval", "/v1/me/decisions", "/v1/workflows/wf-1", "/v1/audit",
    "/v1/audit/pages/900", "/v1/audit/spaces/10", "/v1/audit/workflows/wf-1", "/v1/audit/actors/ann",
    "/v1/commands/0199f3a0-7c1e-7b7a-9f57-3d0a52f6a1c4",
)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> LocalIssuer:
    return LocalIssuer.load_or_create(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
async def console(database: Database, issuer: LocalIssuer) -> AsyncIterator[Console]:
    async with running(settings_for(database, issuer), issuer) as started:
        yield started


@pytest.fixture
async def data(database: Database) -> AsyncIterator[Data]:
    async with filling(database) as rows:
        yield rows


def refused(response: httpx.Response, reason: Reason, field: str | None = None) -> None:
    said = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, said["reason"], said.get("field")) == (DESCRIPTION[reason][0], reason, field)


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_reads_without_a_token(console: Console, path: str) -> None:
    refused(await console.client.get(path), Reason.UNAUTHENTICATED)
    token = console.issuer.forge(ONE, "ann", lifetime=-60)
    refused(await console.client.get(path, headers={"Authorization": f"Bearer {token}"}), Reason.UNAUTHENTICATED)


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_on_another_site_does_not_exist(console: Console, data: Data, path: str) -> None:
    """The caller is on site one, where there is nothing; on site two they may read everything."""
    await data.space(now(), ["ann"], site=TWO)
    await data.group(now(), ["ann"], site=TWO)
    await data.workflow(a_definition(a_step(groups("g1"))), site=TWO, owners=["ann"])
    await data.page(site=TWO)
    await data.outcome(site=TWO, command_id=PATHS[-1].rpartition("/")[2], version=1)
    await data.entries({"site_id": TWO, "page_id": "900", "space_id": "10", "workflow_id": "wf-1", "actor_id": "ann"})
    by_app = None if path == "/v1/audit" else "ann"
    seen = await console.read(path, by_app, TWO)
    assert seen.get("approvals", seen.get("entries", [seen]))
    there = await console.get(path, by_app, ONE)
    if there.status_code == 200:
        assert there.json() in ({"approvals": [], "next": None}, {"entries": [], "next": None})
    else:
        refused(there, Reason.NOT_PERMITTED if "audit" in path else Reason.NOT_FOUND)
    if "audit" in path:
        assert (await console.read(path, None, ONE))["entries"] == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/pages/a%20b/approval", "/path/page_id"), ("/v1/workflows/a%00b", "/path/workflow_id"),
        ("/v1/audit/actors/unknown", "/path/account_id"), ("/v1/commands/7", "/path/command_id"),
        ("/v1/audit?limit=201", "/query/limit"), ("/v1/audit?limit=0", "/query/limit"), ("/v1/audit?order=any", "/query/order"),
        ("/v1/audit?from=2026-01-01T00:00:00", "/query/from"), ("/v1/audit?to=9999-12-31T23:59:59-12:00", "/query/to"),
        ("/v1/me/decisions?cursor=gAAAA", "/query/cursor"), ("/v1/audit?cursor=gAAAA", "/query/cursor"),
    ],
)
async def test_what_cannot_be_read_is_refused_and_not_echoed(console: Console, path: str, field: str) -> None:
    refused(await console.get(path, "ann" if "me/" in path else None), Reason.MALFORMED, field)


async def test_an_approval_shows_who_decided_and_what_is_missing(console: Console, data: Data) -> None:
    await data.workflow(a_definition(a_step(accounts("ann") + groups("g1"), All()), a_step(accounts("zoe"))))
    await data.page(approvals=1, seats=b"\x01", round=2, run=2)
    await data.former()
    await data.outcome(voter="ann", run=2, round=2)
    await data.outcome(voter="bob", run=2, round=1, version=1)
    await data.outcome(voter="bob", version=3)
    response = await console.get("/v1/approvals/900-2")
    seen = response.json()
    assert (response.headers["etag"], seen["version"], seen["status"], seen["round"]) == ('"4"', 4, "open", 2)
    assert [(s["state"], [d["account_id"] for d in s["decisions"]]) for s in seen["steps"]] == [("active", ["ann"]), ("pending", [])]
    assert seen["missing"] == {"approvals": None, "approvers": [{"kind": "group", "id": "g1"}]}
    former = await console.read("/v1/approvals/900-1")
    assert (former["status"], former["missing"], former["page_version"]) == ("rejected", None, 6)
    assert [d["account_id"] for d in former["steps"][0]["decisions"]] == ["bob"]
    for unknown in ("900-3", "901-1", "900"):
        refused(await console.get(f"/v1/approvals/{unknown}"), Reason.NOT_FOUND, "approval_id" if unknown == "900" else None)


async def test_a_page_is_sent_again_only_at_a_new_version(console: Console, data: Data) -> None:
    await data.workflow()
    await data.page(run=3)
    await data.former(run=1)
    await data.former(run=2, status="cancelled")
    first = await console.get("/v1/pages/900/approval")
    seen = first.json()
    assert (first.headers["etag"], seen["approval"]["approval_id"], seen["state"]) == ('"4"', "900-3", "current")
    assert [(run["approval_id"], run["status"]) for run in seen["earlier"]] == [("900-2", "cancelled"), ("900-1", "rejected")]
    again = await console.get("/v1/pages/900/approval", **{"If-None-Match": '"3", "4"'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"4"')
    assert (await console.get("/v1/pages/900/approval", **{"If-None-Match": '"5"'})).status_code == 200


async def test_what_waits_for_me_and_only_that_oldest_first(console: Console, data: Data) -> None:
    await data.group(now(), ["ann", "bob"])
    await data.group(now() - timedelta(hours=25), ["ann"], "old")
    await data.workflow(a_definition(a_step(accounts("ann") + groups("g1")), a_step(accounts("ann"))))
    await data.workflow(a_definition(a_step(groups("old"))), workflow_id="wf-2")
    for n in range(5):
        await data.page(f"9{n}", submitted_at=NOON - timedelta(hours=n // 2))
    await data.page("done", status="approved")
    await data.page("decided")
    await data.outcome("decided", "ann")
    await data.page("again", round=2, submitted_at=NOON + timedelta(hours=1))
    await data.outcome("again", "ann")
    await data.page("later", step=1, submitted_at=NOON + timedelta(hours=2))
    await data.page("stale", workflow_id="wf-2")
    found, cursor = [], ""
    for size in (2, 2, 2, 1):
        part = await console.read(f"/v1/me/decisions?limit=2{cursor}")
        assert len(part["approvals"]) == size
        found += [each["page_id"] for each in part["approvals"]]
        cursor = f"&cursor={part['next']}"
    assert (found, part["next"]) == (["94", "92", "93", "90", "91", "again", "later"], None)
    assert [each["page_id"] for each in (await console.read("/v1/me/decisions", "bob"))["approvals"]][-2:] == ["decided", "again"]
    assert (await console.read("/v1/me/decisions", "carl"))["approvals"] == []
    first = (await console.read("/v1/me/decisions?limit=1"))["next"]
    refused(await console.get(f"/v1/me/decisions?cursor={first}", "bob"), Reason.MALFORMED, "/query/cursor")
    refused(await console.get("/v1/me/decisions", None), Reason.NOT_PERMITTED)


async def test_a_workflow_is_shown_as_it_is_now(console: Console, data: Data) -> None:
    await data.workflow(version=5, workflow_version=2, archived=True)
    await data.assign("space", "10")
    await data.assign("page", "900")
    await data.assign("page", "901", "wf-2")
    response = await console.get("/v1/workflows/wf-1")
    seen = response.json()
    assert (response.headers["etag"], seen["archived"], seen["owners"], seen["definition"]["name"]) == ('"5"', True, ["olga"], "review")
    assert [a["scope_id"] for a in seen["assignments"]] == ["900", "10"]


async def test_a_command_is_pending_until_it_has_an_outcome(console: Console, data: Data) -> None:
    pending = await data.accepted()
    seen = await console.read(f"/v1/commands/{pending}")
    assert (seen["result"], seen["command_id"], seen["version"]) == ("pending", str(pending), 0)
    await data.outcome(command_id=pending)
    seen = await console.read(f"/v1/commands/{pending}")
    assert (seen["result"], seen["version"], seen["approval_id"], seen["workflow_id"], seen["status"]) == (
        "applied", 2, "900-1", "wf-1", "open",
    )
    lost = await data.outcome(reason="already_decided", event="{}", version=9)
    seen = await console.read(f"/v1/commands/{lost}")
    assert (seen["result"], seen["reason"], seen["status"]) == ("refused", "already_decided", None)
    theirs = await data.accepted(TWO)
    for unknown in (theirs, uuid4()):
        refused(await console.get(f"/v1/commands/{unknown}"), Reason.NOT_FOUND)


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("index", ["", "/pages/900", "/spaces/10", "/workflows/wf-1", "/actors/ann"])
async def test_entries_are_found_by_each_index_and_their_chain_verifies(console: Console, data: Data, index: str, order: str) -> None:
    about = {"page_id": "900", "space_id": "10", "workflow_id": "wf-1", "actor_id": "ann"}
    other = {"page_id": "901", "space_id": "11", "workflow_id": "wf-2", "actor_id": "bob"}
    await data.entries(*(other if n == 7 and index else about for n in range(1, 8)))
    await data.entries({"site_id": TWO, **about}, partition=1)
    found: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        part = await console.read(f"/v1/audit{index}?order={order}&limit=3{cursor and f'&cursor={cursor}'}", None)
        found, cursor = found + part["entries"], part["next"]
    positions = [entry["position"] for entry in found]
    expected = list(range(1, 7 if index else 8))
    assert positions == (expected if order == "oldest" else expected[::-1])
    previous = GENESIS.hex()
    for entry in sorted(found, key=lambda entry: int(entry["position"])):
        assert entry["body"]["id"] == entry["event_id"]
        body = rfc8785.dumps(entry["body"]).decode()
        assert link(bytes.fromhex(previous), 0, entry["position"], body).hex() == entry["hash"]
        previous = entry["hash"]


async def test_a_cursor_is_good_for_its_own_question_only(console: Console, data: Data) -> None:
    await data.entries(*({"page_id": "900"} for _ in range(3)))
    cursor = (await console.read("/v1/audit?limit=1", None))["next"]
    for path in ("/v1/audit?order=oldest", "/v1/audit?from=2026-01-01T00:00:00Z", "/v1/audit/pages/900?limit=1"):
        refused(await console.get(f"{path}&cursor={cursor}", None), Reason.MALFORMED, "/query/cursor")
    refused(await console.get(f"/v1/audit?cursor={cursor}", None, TWO), Reason.MALFORMED, "/query/cursor")
    assert len((await console.read(f"/v1/audit?limit=2&cursor={cursor}", None))["entries"]) == 2


async def test_entries_are_from_a_time_on_and_before_another(console: Console, data: Data) -> None:
    await data.entries({}, {}, {}, {})
    between = f"from={NOON + timedelta(minutes=2):%FT%TZ}&to={NOON + timedelta(minutes=4):%FT%TZ}"
    seen = await console.read(f"/v1/audit?{between}", None)
    assert [entry["position"] for entry in seen["entries"]] == [3, 2]


async def test_who_may_read_which_entries(console: Console, data: Data) -> None:
    fresh, stale = now() - timedelta(hours=23), now() - timedelta(hours=25)
    await data.space(fresh, ["dave"])
    await data.space(stale, ["dave"], "11")
    await data.space(fresh, ["dave"], "12", TWO)
    await data.workflow()
    await data.workflow(workflow_id="wf-fresh", owners_read_at=fresh)
    await data.workflow(workflow_id="wf-stale", owners_read_at=stale)
    await data.page("900")
    await data.page("901", space_id="11")
    await data.page("902", space_id=None)
    for account, index, allowed in (
        ("dave", "/spaces/10", True), ("dave", "/spaces/11", False), ("dave", "/spaces/12", False), ("ann", "/spaces/10", False),
        ("dave", "/pages/900", True), ("dave", "/pages/901", False), ("dave", "/pages/902", False), ("dave", "/pages/9", False),
        ("ann", "/pages/900", False), ("olga", "/workflows/wf-1", True), ("olga", "/workflows/wf-fresh", True),
        ("olga", "/workflows/wf-stale", False), ("dave", "/workflows/wf-1", False), ("ann", "/actors/ann", True),
        ("ann", "/actors/bob", False), ("dave", "", False), (None, "", True), (None, "/spaces/11", True), (None, "/actors/bob", True),
    ):
        response = await console.get(f"/v1/audit{index}", account)
        assert response.status_code == (200 if allowed else 403), (account, index)
        if not allowed:
            refused(response, Reason.NOT_PERMITTED)


async def test_a_visitor_who_is_not_logged_in_reads_nothing(console: Console, data: Data) -> None:
    await data.workflow()
    key = console.issuer._forge
    claims = jwt.decode(console.issuer.forge(ONE), key, algorithms=["RS256"]).claims
    claims["context"]["extension"] = {"type": "macro"}
    headers = {"Authorization": f"Bearer {jwt.encode({'alg': 'RS256', 'kid': key.kid}, claims, key)}"}
    for path in PATHS:
        refused(await console.client.get(path, headers=headers), Reason.NOT_PERMITTED)


async def test_a_connect_person_reads_too_under_the_path_this_service_has(console: Console, database: Database, data: Data) -> None:
    await data.workflow(site=console.issuer.client_key)
    connection = await asyncpg.connect(database.dsn())
    secret = Fernet(console.issuer.environment()["APPROVALFLOW_ENCRYPTION_KEY"]).encrypt(console.issuer.connect_secret.encode())
    for installed in (True, False):
        await connection.execute(
            "INSERT INTO command.connect_tenant VALUES ($1, $1, $2, 'https://wiki.example', $3)"
            " ON CONFLICT (client_key) DO UPDATE SET installed = excluded.installed", console.issuer.client_key, secret, installed,
        )
        token = console.issuer.connect("ann", "GET", "/v1/workflows/wf-1")
        response = await console.client.get("/base/v1/workflows/wf-1", headers={"Authorization": f"JWT {token}"})
        assert response.status_code == (200 if installed else 401)
    await connection.close()


async def test_the_role_may_read_and_nothing_else(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn("console"))
    try:
        for statement in ("DELETE FROM approvals.page", "UPDATE audit.head SET position = 1", "DELETE FROM command.idempotency_key",
                          "SELECT body_digest FROM command.idempotency_key"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_document_says_how_to_sign_and_its_examples_are_answers(console: Console) -> None:
    document = (await console.client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert {path.partition("?")[0] for path in document["paths"]} >= {"/v1/me/decisions", "/v1/audit/pages/{page_id}"}
    for path in document["paths"].values():
        assert path["get"]["security"] == [{"forge": []}, {"connect": []}, {"person": []}]
        assert "422" not in path["get"]["responses"]
    for model in (answers.ApprovalAnswer, answers.PageAnswer, answers.WaitingPage, answers.WorkflowAnswer, answers.EntryPage,
                  answers.CommandAnswer):
        model.model_validate(schemas[model.__name__]["examples"][0])
