"""Workflows: which there are, what one says and said, where it is in use, and its end."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import RedirectResponse, Response
from pydantic import TypeAdapter, ValidationError

from services.console.answers import WorkflowAnswer
from services.console.domain import differences, words
from services.console.domain.approvals import Happening
from services.console.measured import Measured
from services.console.store import approvals
from services.console.store import workflows as store
from services.console.web.render import page
from services.console.web.session import Person, Visitor
from services.console.web.state import Web, web
from services.known import store as known_store
from services.rules import guards
from services.rules.state import Known
from shared.contracts.base import ObjectId
from shared.contracts.reasons import Reason
from shared.problems import Refusal

routes = APIRouter(prefix="/workflows", route_class=Measured)
Needed = Annotated[Web, Depends(web)]
SHOWN = 50
"""How many workflows a page shows."""
LATEST = 100
"""How much of a workflow's history is shown."""
MOST = 1000
"""Up to where things are counted."""
Key = Annotated[str, Form(pattern="^[0-9a-f]{32}$")]
"""Names one visit to a form, so that a form sent twice is one command."""
_ID: TypeAdapter[str] = TypeAdapter(ObjectId)


@routes.get("")
async def workflows(
    person: Visitor, needed: Needed, space: ObjectId | Literal[""] = "", archived: bool = False,
    after: Annotated[str, Query(pattern=r"^[^\x00]{0,257}$")] = "",
) -> Response:
    """Those of the site, by space; ``after`` is the last one shown before."""
    asked = store.Asked(person.site_id, person.account_id, needed.oldest(), space or None, archived)
    last_space, _, last = after.partition(":")
    found, spaces = await asyncio.gather(
        store.listed(needed.of(person.site_id), asked, (last_space, last), SHOWN + 1),
        store.administered(needed.of(person.site_id), person.site_id, person.account_id, asked.oldest),
    )
    shown, end = found[:SHOWN], found[SHOWN - 1].workflow if len(found) > SHOWN else None
    mine = {
        one.workflow.workflow_id for one in shown
        if not one.workflow.archived and guards.owner_or_admin(person.principal.caller, one.workflow, one.known) is None
    }
    return page(
        "workflows.html", needed.base, person=person, found=shown, mine=mine, spaces=spaces, space=space, archived=archived,
        more=end and f"{end.space_id}:{end.workflow_id}", most=MOST,
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a page about one workflow says. ``why_not`` is why the visitor may not change it."""

    workflow: WorkflowAnswer
    history: list[Happening]
    open: int
    in_use: str | None
    why_not: Reason | None


async def permission(person: Person, needed: Web, *, workflow_id: str | None = None, space_id: str | None = None) -> Reason | None:
    """Why this person may not change the workflow, or without one may make none in the space, by the rule ``decision`` goes by."""
    wanted = known_store.Wanted(person.site_id, person.account_id, workflow_id, None, space_id)
    known = await known_store.known(needed.of(person.site_id), wanted, needed.oldest())
    return guards.licence(person.principal.caller, known.licence_active) or allowed(person, wanted, known)


def allowed(person: Person, wanted: known_store.Wanted, known: Known) -> Reason | None:
    """Why they neither own the workflow nor administer its space; where no workflow is named, why they do not administer the space."""
    if wanted.workflow_id is None:
        return guards.space_admin(person.principal.caller, known)
    return guards.owner_or_admin(person.principal.caller, known.workflow, known)


async def look(workflow_id: str, person: Person, needed: Web) -> Shown:
    """The workflow as it is now.

    :raises Refusal: there is none.
    """
    found, told, count, why_not = await asyncio.gather(
        approvals.workflow(needed.of(person.site_id), person.site_id, workflow_id),
        store.history(needed.of(person.site_id), person.site_id, workflow_id, LATEST),
        store.open_approvals(needed.of(person.site_id), person.site_id, workflow_id, MOST),
        permission(person, needed, workflow_id=workflow_id),
    )
    if found is None:
        raise Refusal(Reason.NOT_FOUND)
    return Shown(found, told, count, await store.in_use(needed.of(person.site_id), person.site_id, found.space_id), why_not)


async def to_change(workflow_id: str, person: Person, needed: Web) -> Shown:
    """The workflow, for one who may change it.

    :raises Refusal: they may not, or there is none, which is the same to them, or it is archived.
    """
    if reason := await permission(person, needed, workflow_id=workflow_id):
        raise Refusal(reason)
    shown = await look(workflow_id, person, needed)
    if shown.workflow.archived:
        raise Refusal(Reason.WORKFLOW_ARCHIVED)
    return shown


@routes.get("/{workflow_id}")
async def workflow(workflow_id: ObjectId, person: Visitor, needed: Needed, asked: UUID | None = None) -> Response:
    """One workflow; ``asked`` is the command that led here, perhaps the one that is to make it."""
    became = await approvals.command(needed.of(person.site_id), person.site_id, asked) if asked is not None else None
    try:
        shown = await look(workflow_id, person, needed)
    except Refusal:
        if became is None or became.result == "applied":
            raise
        return page("workflow_coming.html", needed.base, person=person, became=became, refused=words.refused)
    return _workflow(shown, person, needed, became=became)


def _workflow(shown: Shown, person: Person, needed: Web, status: int = 200, **said: object) -> Response:
    given = {"became": None, "why": None, "scope": "page", "scope_id": "", **said}
    return page(
        "workflow.html", needed.base, status, person=person, shown=shown, key=uuid4().hex, most=MOST, refused=words.refused,
        Reason=Reason, named=differences.named, on_edit=words.on_edit, four_eyes=words.four_eyes, **given,
    )


@routes.get("/{workflow_id}/versions")
async def workflow_versions(
    workflow_id: ObjectId, person: Visitor, needed: Needed, before: Annotated[int, Query(alias="from", ge=1, lt=1 << 31)],
    after: Annotated[int, Query(alias="to", ge=1, lt=1 << 31)],
) -> Response:
    """What two versions do not have in common."""
    shown, bodies = await asyncio.gather(
        look(workflow_id, person, needed), store.definitions(needed.of(person.site_id), person.site_id, workflow_id, {before, after}),
    )
    if bodies.keys() != {before, after}:
        raise Refusal(Reason.NOT_FOUND)
    old, new = bodies[before], bodies[after]
    return page(
        "versions.html", needed.base, person=person, shown=shown, before=before, after=after,
        whole=differences.of_workflow(old, new), steps=list(differences.of_steps(old, new)),
    )


@routes.post("/{workflow_id}/assignments")
async def assign_workflow(
    workflow_id: ObjectId, person: Visitor, needed: Needed, scope: Annotated[Literal["page", "space"], Form()],
    key: Key, scope_id: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Make it the one for a page, or for all pages of its space."""
    shown = await to_change(workflow_id, person, needed)
    of = shown.workflow.space_id if scope == "space" else scope_id.strip()
    try:
        path = f"/v1/workflows/{workflow_id}/assignments/{scope}/{_ID.validate_python(of)}"
        answer = await needed.commands.ask(person.token, "PUT", path, {}, key=f"{key}.{scope}.{of}")
    except ValidationError:
        return _workflow(shown, person, needed, 422, why="That is not the id of a page.", scope=scope, scope_id=scope_id)
    except Refusal as refusal:
        return _workflow(shown, person, needed, refusal.status, why=words.refused(refusal.reason), scope=scope, scope_id=scope_id)
    return RedirectResponse(f"{needed.base}/workflows/{workflow_id}?asked={answer['command_id']}", 303)


@routes.get("/{workflow_id}/archive")
async def before_archiving(workflow_id: ObjectId, person: Visitor, needed: Needed) -> Response:
    """What archiving it would do."""
    return _archive(await to_change(workflow_id, person, needed), person, needed)


@routes.post("/{workflow_id}/archive")
async def archive_workflow(
    workflow_id: ObjectId, person: Visitor, needed: Needed, version: Annotated[int, Form()], key: Key,
) -> Response:
    """Archive it as it was looked at."""
    try:
        answer = await needed.commands.ask(person.token, "DELETE", f"/v1/workflows/{workflow_id}", {}, key=key, version=version)
    except Refusal as refusal:
        shown = await to_change(workflow_id, person, needed)
        changed = refusal.reason is Reason.VERSION_CONFLICT
        why = words.overtaken(shown.history, version, "looked at it") if changed else words.refused(refusal.reason)
        return _archive(shown, person, needed, refusal.status, why)
    return RedirectResponse(f"{needed.base}/workflows/{workflow_id}?asked={answer['command_id']}", 303)


def _archive(shown: Shown, person: Person, needed: Web, status: int = 200, why: str | None = None) -> Response:
    return page("archive.html", needed.base, status, person=person, shown=shown, why=why, key=uuid4().hex, most=MOST)
