"""A workflow as a form: made or changed, looked at before it is saved, and what to do when somebody else was faster."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from services.console.domain import drafts, words
from services.console.domain.drafts import Draft, Mistakes
from services.console.domain.outlook import StepOutlook, outlook
from services.console.measured import Measured
from services.console.store import workflows as store
from services.console.web.render import page
from services.console.web.session import Person, Visitor
from services.console.web.state import Web, web
from services.console.web.workflows import MOST, Key, look, permission, to_change
from shared.contracts.base import ObjectId
from shared.contracts.reasons import Reason
from shared.contracts.workflow import Definition
from shared.problems import Refusal

routes = APIRouter(prefix="/workflows", route_class=Measured)
Needed = Annotated[Web, Depends(web)]
TRIES = 3
"""How often a definition is sent again because the workflow's record, but not its definition, changed meanwhile."""
CROWD = 500
"""Up to how many people of a group are looked at."""


@dataclass(frozen=True, slots=True)
class Editing:
    """What is edited: the workflow as it was seen, or without one a new one of the space. ``key`` names this visit to the form."""

    space_id: str
    workflow_id: str | None = None
    version: int = 0
    workflow_version: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen with the approvers as typed, and how many open approvals keep the version they began with."""

    steps: list[StepOutlook]
    open: int


@routes.get("/new")
async def new_workflow(space: ObjectId, person: Visitor, needed: Needed) -> Response:
    """An empty form for a workflow of this space."""
    await _may_make(space, person, needed)
    return _editor(Editing(space, key=uuid4().hex), Draft(owners=person.account_id), person, needed)


@routes.post("/new")
async def make_workflow(request: Request, space: Annotated[ObjectId, Form()], key: Key, person: Visitor, needed: Needed) -> Response:
    """What the form is to do; it comes back unless that was to save."""
    await _may_make(space, person, needed)
    form = await _form(request)
    return await _asked(Editing(space, key=key), form, person, needed)


@routes.get("/{workflow_id}/edit")
async def edit_workflow(workflow_id: ObjectId, person: Visitor, needed: Needed) -> Response:
    """The workflow as a form."""
    found = (await to_change(workflow_id, person, needed)).workflow
    editing = Editing(found.space_id, workflow_id, found.version, found.workflow_version, uuid4().hex)
    return _editor(editing, drafts.of(found.definition), person, needed)


@routes.post("/{workflow_id}/edit")
async def change_workflow(workflow_id: ObjectId, request: Request, key: Key, person: Visitor, needed: Needed) -> Response:
    """What the form is to do; it comes back unless that was to save."""
    found = (await to_change(workflow_id, person, needed)).workflow
    form = await _form(request)
    version, workflow_version = (_number(form.get(name, "")) for name in ("version", "workflow_version"))
    return await _asked(Editing(found.space_id, workflow_id, version, workflow_version, key), form, person, needed)


async def _may_make(space_id: str, person: Person, needed: Web) -> None:
    if reason := await permission(person, needed, space_id=space_id):
        raise Refusal(reason)


async def _form(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form(max_files=0)).items()}


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Refusal(Reason.MALFORMED)
    return int(text)


async def _asked(editing: Editing, form: Mapping[str, str], person: Person, needed: Web) -> Response:
    draft, do = drafts.read(form), form.get("do", "")
    if moved := drafts.moved(draft, do):
        return _editor(editing, moved[0], person, needed, focus=moved[1])
    judged = drafts.judged(draft)
    if not isinstance(judged, Definition):
        return _editor(editing, draft, person, needed, 422, mistakes=judged)
    if do == "save":
        return await _save(editing, draft, judged, person, needed)
    return _editor(editing, draft, person, needed, preview=await _preview(editing, judged, person, needed))


async def _preview(editing: Editing, definition: Definition, person: Person, needed: Web) -> Preview:
    groups = {group for step in definition.steps for group in step.group_seats}
    crowds = await store.crowds(needed.of(person.site_id), person.site_id, groups, CROWD)
    count = 0
    if editing.workflow_id is not None:
        count = await store.open_approvals(needed.of(person.site_id), person.site_id, editing.workflow_id, MOST)
    return Preview(outlook(definition.steps, crowds, needed.oldest()), count)


async def _save(editing: Editing, draft: Draft, definition: Definition, person: Person, needed: Web) -> Response:
    """Save it over what was seen, and over nothing else: an assignment since then is no conflict."""
    seen = editing
    for _ in range(TRIES):
        try:
            answer = await _ask(seen, definition, person, needed)
        except Refusal as refusal:
            if editing.workflow_id is None or refusal.reason is not Reason.VERSION_CONFLICT:
                key = editing.key if refusal.reason is Reason.UNAVAILABLE else uuid4().hex
                why = words.refused(refusal.reason)
                return _editor(replace(editing, key=key), draft, person, needed, refusal.status, why=why)
            shown = await look(editing.workflow_id, person, needed)
            seen = replace(editing, version=shown.workflow.version, workflow_version=shown.workflow.workflow_version)
            if seen.workflow_version != editing.workflow_version:
                why = words.overtaken(shown.history, editing.version, "edited")
                return _editor(seen, draft, person, needed, refusal.status, why=why, overtook=editing.workflow_version)
            continue
        return RedirectResponse(f"{needed.base}/workflows/{answer['workflow_id']}?asked={answer['command_id']}", 303)
    raise Refusal(Reason.UNAVAILABLE)


async def _ask(editing: Editing, definition: Definition, person: Person, needed: Web) -> dict[str, Any]:
    """Sent again for the same visit it is the same command, unless something else is in the form by now."""
    body: dict[str, Any] = {"definition": definition.model_dump(mode="json")}
    if editing.workflow_id is None:
        body["space_id"] = editing.space_id
    key = f"{editing.key}.{editing.version}.{hashlib.sha256(orjson.dumps(body)).hexdigest()[:32]}"
    if editing.workflow_id is None:
        return await needed.commands.ask(person.token, "POST", "/v1/workflows", body, key=key)
    path = f"/v1/workflows/{editing.workflow_id}"
    return await needed.commands.ask(person.token, "PUT", path, body, key=key, version=editing.version)


def _editor(
    editing: Editing, draft: Draft, person: Person, needed: Web, status: int = 200, *, mistakes: Mistakes | None = None,
    preview: Preview | None = None, why: str | None = None, overtook: int | None = None, focus: int | None = None,
) -> Response:
    return page(
        "editor.html", needed.base, status, person=person, editing=editing, draft=draft, mistakes=mistakes or {}, preview=preview,
        why=why, overtook=overtook, focus=focus, most=MOST, most_steps=drafts.MOST_STEPS, on_edit=words.on_edit,
    )
