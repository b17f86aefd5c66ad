"""Commands about one workflow: create, change, archive, assign, who owns it."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from services.decision.domain.result import Cause, Decided
from services.rules import guards
from services.rules.state import Known, Workflow
from shared.contracts.base import SYSTEM
from shared.contracts.commands import (
    ArchiveWorkflow,
    AssignWorkflow,
    CancelApprovals,
    CancelCause,
    ChangeWorkflow,
    CreateWorkflow,
    RecordWorkflowOwners,
    SiteCommand,
    WorkflowCommand,
)
from shared.contracts.events import CommandRefused, WorkflowEvent
from shared.contracts.reasons import Reason
from shared.contracts.workflow import Definition


@dataclass(frozen=True, slots=True)
class WorkflowState:
    """A workflow, and what a command adds beside it: its next definition, an assignment."""

    workflow: Workflow | None
    definition: Definition | None = None
    assigned: tuple[str, str] | None = None


def decide(command: WorkflowCommand, cause: Cause, present: Workflow | None, known: Known, now: datetime) -> Decided[WorkflowState]:
    """Judge one command against the workflow as last seen (None: there is none of that id)."""
    reason = refusal(command, present, known)
    if reason is not None:
        return Decided(WorkflowState(present), CommandRefused(
            site_id=command.site_id, command_id=str(cause.id), occurred_at=now, actor_id=cause.account_id,
            version=present.version if present else 0, workflow_id=command.workflow_id,
            space_id=present.space_id if present else None, command=type(command).__name__, reason=reason,
        ))
    state, follow_ups = _applied(command, present)
    return Decided(state, _event(command, state, cause, now), follow_ups=follow_ups)


def refusal(command: WorkflowCommand, present: Workflow | None, known: Known) -> Reason | None:
    """Why the command may not be applied, or None."""
    if isinstance(command, RecordWorkflowOwners):
        return _push_refusal(command, present)
    if reason := guards.licence(command.caller, known.licence_active):
        return reason
    if isinstance(command, CreateWorkflow):
        if known.space.removed_at is not None:
            return Reason.SPACE_REMOVED
        return guards.space_admin(command.caller, known) or (Reason.VERSION_CONFLICT if present else None)
    if present is None:
        return Reason.NOT_FOUND
    if reason := guards.owner_or_admin(command.caller, present, known):
        return reason
    if isinstance(command, AssignWorkflow) and command.scope == "space" and command.scope_id != present.space_id:
        return Reason.NOT_PERMITTED
    if present.archived:
        return Reason.WORKFLOW_ARCHIVED
    expected = getattr(command, "expected_version", None)
    return None if expected in (None, present.version) else Reason.VERSION_CONFLICT


def _push_refusal(command: RecordWorkflowOwners, present: Workflow | None) -> Reason | None:
    if not command.caller.app:
        return Reason.NOT_PERMITTED
    if present is None:
        return Reason.NOT_FOUND
    outdated = present.owners_read_at is not None and command.read_at <= present.owners_read_at
    return Reason.FACTS_OUTDATED if outdated else None


def _applied(command: WorkflowCommand, present: Workflow | None) -> tuple[WorkflowState, tuple[SiteCommand, ...]]:
    if isinstance(command, CreateWorkflow):
        created = Workflow(
            command.site_id, command.workflow_id, 1, 1, command.space_id, archived=False,
            owners=frozenset(command.definition.owners),
        )
        return WorkflowState(created, command.definition), ()
    assert present is not None  # noqa: S101 - refusal() saw to it
    following = replace(present, version=present.version + 1)
    match command:
        case ChangeWorkflow():
            changed = replace(
                following, workflow_version=present.workflow_version + 1,
                owners=frozenset(command.definition.owners), owners_read_at=None,
            )
            return WorkflowState(changed, command.definition), ()
        case ArchiveWorkflow():
            cancel = CancelApprovals(
                site_id=command.site_id, caller=SYSTEM, scope="workflow", scope_id=command.workflow_id,
                cause=CancelCause.WORKFLOW_ARCHIVED,
            )
            return WorkflowState(replace(following, archived=True)), (cancel,)
        case AssignWorkflow():
            return WorkflowState(following, assigned=(command.scope, command.scope_id)), ()
        case RecordWorkflowOwners():
            owned = replace(following, owners=frozenset(command.owners), owners_read_at=command.read_at)
            return WorkflowState(owned), ()
        case _:
            raise TypeError(f"not a workflow command: {type(command).__name__}")


def _event(command: WorkflowCommand, state: WorkflowState, cause: Cause, now: datetime) -> WorkflowEvent:
    workflow = state.workflow
    assert workflow is not None  # noqa: S101 - an applied command leaves one
    scope, scope_id = state.assigned or (None, None)
    people = "\n".join(sorted(workflow.owners)).encode() if isinstance(command, RecordWorkflowOwners) else None
    return WorkflowEvent.model_validate({
        "site_id": workflow.site_id, "command_id": str(cause.id), "occurred_at": now, "actor_id": cause.account_id,
        "version": workflow.version, "workflow_id": workflow.workflow_id, "space_id": workflow.space_id,
        "page_id": scope_id if scope == "page" else None, "change": _CHANGE[type(command)],
        "workflow_version": workflow.workflow_version, "scope": scope, "scope_id": scope_id,
        "digest": None if people is None else hashlib.sha256(people).hexdigest(),
    })


_CHANGE: dict[type[WorkflowCommand], str] = {
    CreateWorkflow: "created", ChangeWorkflow: "changed", ArchiveWorkflow: "archived", AssignWorkflow: "assigned",
    RecordWorkflowOwners: "owners_recorded",
}
