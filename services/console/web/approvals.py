"""The approver's pages: what waits for them, and one approval, where they decide."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import RedirectResponse, Response

from services.console.answers import ApprovalAnswer, CommandAnswer
from services.console.domain import words
from services.console.domain.approvals import Happening, takes_part
from services.console.domain.listing import Order
from services.console.measured import Measured
from services.console.store import approvals, history
from services.console.web.render import page
from services.console.web.session import Visitor
from services.console.web.state import Web, web
from services.known import store as known_store
from services.rules import guards
from services.rules.state import Known, Page, page_of
from shared.contracts.base import ObjectId
from shared.contracts.commands import RecordDecision, Verdict
from shared.contracts.events import Status
from shared.contracts.reasons import Reason
from shared.problems import Refusal

routes = APIRouter(route_class=Measured)
Needed = Annotated[Web, Depends(web)]
TRIES = 3
"""How often a decision is sent again because others decided on the same step meanwhile."""
LATEST = 100
"""How much of a page's history is shown."""
SHOWN = 50
"""How many open decisions a page shows."""


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a page about one approval says."""

    approval: ApprovalAnswer
    page: Page
    known: Known
    history: list[Happening]
    words: bool
    why_not: Reason | None
    stale: list[str]


@routes.get("/")
async def decisions(
    person: Visitor, needed: Needed, space: ObjectId | Literal[""] = "", order: Order = Order.OLDEST,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> Response:
    """What waits for the visitor."""
    question = ("mine", person.site_id, person.account_id, space, order)
    asked = approvals.Mine(person.site_id, person.account_id, needed.oldest(), space or None, order)
    found = await approvals.waiting(needed.of(person.site_id), asked, needed.cursors.place(question, cursor), SHOWN + 1)
    last = found[SHOWN - 1] if len(found) > SHOWN else None
    more = None if last is None else needed.cursors.after(question, (last.submitted_at, last.page_id))
    return page(
        "decisions.html", needed.base, person=person, found=found[:SHOWN], space=space, order=order, more=more, page_url=needed.page_url,
    )


@routes.get("/approvals/{approval_id}")
async def approval(approval_id: ObjectId, person: Visitor, needed: Needed, asked: UUID | None = None) -> Response:
    """One approval; ``asked`` is the command that led here."""
    shown = await _look(approval_id, person, needed)
    became = await approvals.command(needed.of(person.site_id), person.site_id, asked) if asked is not None else None
    return _approval(shown, person, needed, became=became)


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person says, and what they were looking at when they did."""

    page_version: Annotated[int, Form()]
    step: Annotated[int, Form()]
    round: Annotated[int, Form()]
    version: Annotated[int, Form()]
    key: Annotated[str, Form(pattern="^[0-9a-f]{32}$")]
    verdict: Annotated[Verdict, Form()]
    comment: Annotated[str, Form(max_length=4000)] = ""

    def seen(self) -> words.Seen:
        """What they were looking at."""
        return words.Seen(self.page_version, self.step, self.round)


@routes.post("/approvals/{approval_id}/decisions")
async def decide(approval_id: ObjectId, person: Visitor, needed: Needed, said: Annotated[Decided, Depends()]) -> Response:
    """Approve or reject, on the step that was looked at and on no other: a vote of somebody else on it is no conflict."""
    body: dict[str, Any] = {"page_version": said.page_version, "verdict": said.verdict}
    if comment := said.comment.strip():
        body["comment"] = comment
    version, path = said.version, f"/v1/approvals/{approval_id}/decisions"
    for tried in range(TRIES):
        try:
            answer = await needed.commands.ask(person.token, "POST", path, body, key=f"{said.key}.{version}", version=version)
        except Refusal as refusal:
            shown = await _look(approval_id, person, needed)
            present = words.Seen(shown.approval.page_version, shown.approval.step, shown.approval.round)
            if refusal.reason is Reason.VERSION_CONFLICT and present == said.seen() and tried < TRIES - 1:
                version = shown.approval.version
                continue
            why = words.conflict(refusal.reason, said.seen(), shown.approval, shown.page.page_version)
            return _approval(shown, person, needed, refusal.status, why=why, said=said)
        return RedirectResponse(f"{needed.base}/approvals/{approval_id}?asked={answer['command_id']}", 303)
    raise Refusal(Reason.UNAVAILABLE)


async def _look(approval_id: str, person: Visitor, needed: Web) -> Shown:
    try:
        page_id, run = page_of(approval_id)
    except ValueError:
        raise Refusal(Reason.NOT_FOUND) from None
    stored, present, told = await asyncio.gather(
        approvals.approval(needed.of(person.site_id), person.site_id, page_id, run),
        known_store.page(needed.of(person.site_id), person.site_id, page_id, person.account_id),
        history.of_page(needed.of(person.site_id), person.site_id, page_id, LATEST),
    )
    if stored is None or present is None:
        raise Refusal(Reason.NOT_FOUND)
    found = stored.answer(page_id)
    wanted = known_store.Wanted(person.site_id, person.account_id, found.workflow_id, found.workflow_version, found.space_id)
    known = await known_store.known(needed.of(person.site_id), wanted, needed.oldest())
    groups = [a.id for a in found.steps[found.step].approvers if a.kind == "group"]
    read = await history.groups_read(needed.of(person.site_id), person.site_id, groups)
    return Shown(
        found, present, known, told,
        takes_part(person.account_id, [group for group, _ in known.groups], stored.definition, present, told)
        or guards.owner_or_admin(person.principal.caller, known.workflow, known) is None,
        _why_not(person, found, present, known), [g for g in groups if g not in read or read[g] < needed.oldest()],
    )


def _why_not(person: Visitor, found: ApprovalAnswer, present: Page, known: Known) -> Reason | None:
    """Why the visitor may not approve it now, by the rule that ``decision`` goes by."""
    command = RecordDecision(
        site_id=person.site_id, caller=person.principal.caller, page_id=found.page_id, approval_id=found.approval_id,
        page_version=found.page_version, verdict=Verdict.APPROVE,
    )
    return guards.decide(command, present, known)


def _approval(
    shown: Shown, person: Visitor, needed: Web, status: int = 200, *, became: CommandAnswer | None = None, why: str | None = None,
    said: Decided | None = None,
) -> Response:
    return page(
        "approval.html", needed.base, status, person=person, shown=shown, became=became, why=why, said=said, key=uuid4().hex,
        page_url=needed.page_url, refused=words.refused, Status=Status, Reason=Reason,
        owner=guards.owner_or_admin(person.principal.caller, shown.known.workflow, shown.known) is None,
    )


@routes.get("/pages/{page_id}")
async def of_page(page_id: ObjectId, person: Visitor, needed: Needed) -> Response:
    """A page with its approvals."""
    found = await approvals.page(needed.of(person.site_id), person.site_id, page_id)
    if found is None:
        raise Refusal(Reason.NOT_FOUND)
    told = await history.of_page(needed.of(person.site_id), person.site_id, page_id, LATEST)
    return page("page.html", needed.base, person=person, found=found, history=told, page_url=needed.page_url)
