"""What owners of a workflow and admins of a space do to an approval: back to its first step, or its end without a verdict."""

import asyncio
from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response

from services.console.domain import words
from services.console.measured import Measured
from services.console.store import approvals
from services.console.web.render import page
from services.console.web.session import Person, Visitor
from services.console.web.state import Web, web
from services.console.web.workflows import Key
from services.known import store as known_store
from services.rules import guards
from services.rules.state import Known, Page, page_of
from shared.contracts.base import ObjectId
from shared.contracts.commands import CancelApproval, ResetApproval
from shared.contracts.reasons import Reason
from shared.problems import Refusal

routes = APIRouter(prefix="/approvals", route_class=Measured)
Needed = Annotated[Web, Depends(web)]
Act = Literal["reset", "cancel"]


@routes.get("/{approval_id}/{act}")
async def before_acting(approval_id: ObjectId, act: Act, person: Visitor, needed: Needed) -> Response:
    """What it would do to the approval."""
    return await _confirm(approval_id, act, person, needed)


@routes.post("/{approval_id}/{act}")
async def act_on_approval(
    approval_id: ObjectId, act: Act, person: Visitor, needed: Needed, version: Annotated[int, Form()], key: Key,
) -> Response:
    """Do it to the approval as it was looked at."""
    try:
        path = f"/v1/approvals/{approval_id}/{act}"
        answer = await needed.commands.ask(person.token, "POST", path, {}, key=f"{key}.{act}", version=version)
    except Refusal as refusal:
        return await _confirm(approval_id, act, person, needed, refusal)
    return RedirectResponse(f"{needed.base}/approvals/{approval_id}?asked={answer['command_id']}", 303)


async def _confirm(approval_id: str, act: Act, person: Person, needed: Web, refusal: Refusal | None = None) -> Response:
    """The question, perhaps with why it was not done; without a question left there is only why.

    :raises Refusal: the visitor may not, or there is nothing to do it to.
    """
    try:
        page_id, run = page_of(approval_id)
    except ValueError:
        raise Refusal(Reason.NOT_FOUND) from None
    stored, present = await asyncio.gather(
        approvals.approval(needed.of(person.site_id), person.site_id, page_id, run),
        known_store.page(needed.of(person.site_id), person.site_id, page_id, person.account_id),
    )
    if stored is None or present is None:
        raise Refusal(Reason.NOT_FOUND)
    found = stored.answer(page_id)
    wanted = known_store.Wanted(person.site_id, person.account_id, found.workflow_id, found.workflow_version, found.space_id)
    known = await known_store.known(needed.of(person.site_id), wanted, needed.oldest())
    if reason := _refusal(act, approval_id, person, present, known):
        raise Refusal(reason)
    return page(
        "approval_confirm.html", needed.base, refusal.status if refusal else 200, person=person, act=act, approval=found,
        page_version=present.page_version or found.page_version, key=uuid4().hex, why=refusal and _why(refusal.reason),
    )


def _refusal(act: Act, approval_id: str, person: Person, present: Page, known: Known) -> Reason | None:
    """Why it may not be done to the page's present approval, by the rule that ``decision`` goes by."""
    asked = {
        "site_id": person.site_id, "caller": person.principal.caller, "page_id": present.page_id, "approval_id": approval_id,
    }
    if act == "reset":
        return guards.reset(ResetApproval.model_validate(asked), present, known)
    return guards.cancel(CancelApproval.model_validate(asked), present, known)


def _why(reason: Reason) -> str:
    if reason is Reason.VERSION_CONFLICT:
        return "The approval has changed since you looked at it: below is what it would do now."
    return words.refused(reason)
