"""Those who act in the same instant, through HTTP: nothing is lost, nothing counts twice."""

import asyncio
from uuid import uuid4

from services.local.proof.evidence import Message
from services.local.proof.gather import gather
from services.local.supervisor import Stack
from tests.e2e.site import ANN, BOB, CAROL, Site, approvers, refused, step
from tests.fault.proof import guarantees_hold
from tests.waiting import until

PAGES = 25
"""How many pages each race is run on."""


async def submitted(site: Site, workflow: str) -> list[str]:
    """Approvals of as many pages."""
    return await asyncio.gather(*(site.submit(f"{uuid4().int % 10**12}", workflow) for _ in range(PAGES)))


async def test_the_last_two_votes_in_one_instant_both_count_and_one_completes(site: Site, system: Stack) -> None:
    workflow = await site.workflow(step(approvers(ANN, BOB, CAROL)))
    approvals = await submitted(site, workflow)
    await asyncio.gather(*(site.approve(a, CAROL) for a in approvals))
    answers = await asyncio.gather(*(site.approve(a, who) for a in approvals for who in (ANN, BOB)))
    for pair in zip(answers[::2], answers[1::2], strict=True):
        assert sorted((r.json()["status"], r.json()["version"]) for r in pair) == [("approved", 4), ("open", 3)]
    guarantees_hold(await gather(system.postgres.dsn(), system.broker.bootstrap), without="G4")


async def test_where_one_vote_is_enough_the_other_is_told_that_it_came_too_late(site: Site) -> None:
    workflow = await site.workflow(step(approvers(ANN, BOB), "any"))
    approvals = await submitted(site, workflow)
    answers = await asyncio.gather(*(site.approve(a, who) for a in approvals for who in (ANN, BOB)))
    for approval, pair in zip(approvals, zip(answers[::2], answers[1::2], strict=True), strict=True):
        late, first = sorted(pair, key=lambda r: r.status_code, reverse=True)
        assert (first.json()["status"], first.json()["version"]) == ("approved", 2)
        refused(late, 409, "approval_closed")
        decisions = (await site.read(f"/v1/approvals/{approval}")).json()["steps"][0]["decisions"]
        assert [d["account_id"] for d in decisions] == [ANN if first is pair[0] else BOB]


async def test_one_command_a_hundred_times_at_once_has_one_effect_and_equal_answers(site: Site, system: Stack) -> None:
    approval = await site.submit("1", await site.workflow(step(approvers(ANN, BOB))))
    answers = await asyncio.gather(*(site.approve(approval, ANN, key="once") for _ in range(100)))
    assert {(r.status_code, r.text, r.headers["etag"]) for r in answers} == {(200, answers[0].text, '"2"')}
    said = (await site.read(f"/v1/approvals/{approval}")).json()
    assert (said["version"], said["status"], len(said["steps"][0]["decisions"])) == (2, "open", 1)
    found = await gather(system.postgres.dsn(), system.broker.bootstrap)
    command = answers[0].json()["command_id"]
    assert len([m for m in found.intake if m.id == command]) == 100
    assert len({m.value for m in found.events if m.id == command}) == len([o for o in found.outcomes if o["id"] == command]) == 1

    other = await site.send("POST", f"/v1/approvals/{approval}/reset", None, ANN, key="once")
    refused(other, 422, "idempotency_key_reused")
    refused(await site.approve(approval, ANN, version=2, key="once"), 422, "idempotency_key_reused")
    assert (await site.read(f"/v1/approvals/{approval}")).json()["version"] == 2


async def test_a_vote_against_an_edit_ends_as_the_log_has_them(site: Site, system: Stack) -> None:
    workflow = await site.workflow(step(approvers(ANN), "any"))
    approvals = await submitted(site, workflow)
    pages = [approval.rpartition("-")[0] for approval in approvals]
    votes = asyncio.gather(*(site.approve(approval, ANN) for approval in approvals))
    edits = asyncio.gather(*(site.hook("updated", page, 2) for page in pages))
    answers = dict(zip(pages, await votes, strict=True))
    assert {edit.status_code for edit in await edits} == {204}

    async def edited() -> bool:
        said = [(await site.read(f"/v1/pages/{page}/approval")).json() for page in pages]
        return all(page["page_version"] == 2 for page in said)

    await until(edited)
    found = await gather(system.postgres.dsn(), system.broker.bootstrap)
    for page in pages:
        said = (await site.read(f"/v1/pages/{page}/approval")).json()["approval"]
        ended = (said["status"], said["page_version"], said["round"])
        if vote_came_first([m for m in found.intake if m.key == f"{site.id}:{page}"]):
            assert (answers[page].json()["status"], ended) == ("approved", ("approved", 1, 1))
        else:
            refused(answers[page], 409, "page_version_stale")
            assert ended == ("open", 2, 2)


def vote_came_first(records: list[Message]) -> bool:
    """Is the vote on the log, and the edit after it? One that was refused early never came there."""
    [edit] = [m for m in records if m.named("page-changed")]
    votes = [m for m in records if m.named("record-decision")]
    return any(vote.offset < edit.offset for vote in votes)
