"""A command that is accepted: what it becomes on the log, once for each idempotency key."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.clock import now
from shared.contracts import commands as c
from shared.contracts.reasons import Reason
from tests.integration.command_stack import DECISION, DEFINITION, Service, problem

pytestmark = pytest.mark.usefixtures("fresh")


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
