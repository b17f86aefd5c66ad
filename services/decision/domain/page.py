"""Commands about one page: submit, decide, reset, cancel."""

from datetime import datetime
from typing import Any

from services.decision.domain.facts import observe
from services.decision.domain.result import Cause, Decided, Vote, comment_digest
from services.decision.domain.steps import approve, restart
from services.rules import guards
from services.rules.state import Approval, Known, Page, approval_id
from shared.contracts.commands import (
    CancelApproval,
    PageCommand,
    RecordDecision,
    ResetApproval,
    SubmitApproval,
    Verdict,
)
from shared.contracts.events import (
    ApprovalCancelled,
    ApprovalReset,
    ApprovalSubmitted,
    CommandRefused,
    DecisionRecorded,
    Status,
)
from shared.contracts.facts import PageChanged
from shared.contracts.reasons import Reason

Outcome = Decided[Page]


def decide(message: PageCommand | PageChanged, cause: Cause, page: Page, known: Known, now: datetime) -> Outcome | None:
    """Judge one command or fact against the page as last seen; None when a fact tells nothing new."""
    match message:
        case RecordDecision():
            return _refuse_or(guards.decide(message, page, known), _record, message, cause, page, known, now)
        case PageChanged():
            return observe(message, cause, page, known, now)
        case SubmitApproval():
            return _refuse_or(guards.submit(message, page, known), _submit, message, cause, page, known, now)
        case ResetApproval():
            return _refuse_or(guards.reset(message, page, known), _reset, message, cause, page, known, now)
        case CancelApproval():
            return _refuse_or(guards.cancel(message, page, known), _cancel, message, cause, page, known, now)
        case _:
            raise TypeError(f"not a page command: {type(message).__name__}")


def _refuse_or(reason: Reason | None, apply: Any, message: Any, cause: Cause, page: Page, known: Known, now: datetime) -> Outcome:
    if reason is None:
        result: Outcome = apply(message, cause, page, known, now)
        return result
    event = CommandRefused(
        site_id=page.site_id, command_id=str(cause.id), occurred_at=now, actor_id=cause.account_id,
        version=page.version, page_id=page.page_id, space_id=page.space_id, command=type(message).__name__,
        reason=reason, approval_id=getattr(message, "approval_id", None),
        workflow_id=page.approval.workflow_id if page.approval else None,
    )
    return Decided(page, event)


def about(page: Page, approval: Approval, cause: Cause, now: datetime) -> dict[str, Any]:
    """What every event about an approval says of it."""
    return {
        "site_id": page.site_id, "command_id": str(cause.id), "occurred_at": now, "actor_id": cause.account_id,
        "version": page.version, "page_id": page.page_id, "space_id": page.space_id,
        "workflow_id": approval.workflow_id, "approval_id": approval_id(page.page_id, approval.run),
        "page_version": approval.page_version, "status": approval.status, "step": approval.step,
        "round": approval.round,
    }


def _record(command: RecordDecision, cause: Cause, page: Page, known: Known, now: datetime) -> Outcome:
    before, voter, definition = page.approval, cause.account_id, known.definition
    assert before is not None and voter is not None and definition is not None  # noqa: S101 - the guard saw to it
    if command.verdict is Verdict.APPROVE:
        seats, _ = guards.seats_of(definition.steps[before.step], voter, known)
        after = approve(before, definition, voter, seats)
    else:
        after = before._replace(status=Status.REJECTED, decided=before.decided | {voter})
    state = page._replace(version=page.version + 1, approval=after)
    comment = command.comment
    event = DecisionRecorded(
        **(about(state, after, cause, now) | {"step": before.step}), verdict=command.verdict,
        step_completed=after.step != before.step or after.status is Status.APPROVED,
        comment_digest=comment_digest(comment) if comment else None,
    )
    vote = Vote(before.run, before.round, before.step, voter, command.verdict)
    return Decided(state, event, vote, comment)


def _submit(command: SubmitApproval, cause: Cause, page: Page, known: Known, now: datetime) -> Outcome:
    workflow = known.workflow
    assert workflow is not None  # noqa: S101 - the guard saw to it
    approval = Approval(
        run=page.approval.run + 1 if page.approval else 1, workflow_id=workflow.workflow_id,
        workflow_version=workflow.workflow_version, page_version=command.page_version, submitted_at=now,
    )
    state = page._replace(
        version=page.version + 1, approval=approval, space_id=page.space_id or command.space_id,
    )
    event = ApprovalSubmitted(**about(state, approval, cause, now), workflow_version=approval.workflow_version)
    return Decided(state, event, replaced=page.approval)


def _reset(_: ResetApproval, cause: Cause, page: Page, __: Known, now: datetime) -> Outcome:
    assert page.approval is not None  # noqa: S101 - the guard saw to it
    approval = restart(page.approval, page.page_version or page.approval.page_version)
    state = page._replace(version=page.version + 1, approval=approval)
    return Decided(state, ApprovalReset(**about(state, approval, cause, now), cause="command"))


def _cancel(command: CancelApproval, cause: Cause, page: Page, __: Known, now: datetime) -> Outcome:
    assert page.approval is not None  # noqa: S101 - the guard saw to it
    approval = page.approval._replace(status=Status.CANCELLED)
    state = page._replace(version=page.version + 1, approval=approval)
    return Decided(state, ApprovalCancelled(**about(state, approval, cause, now), cause=command.cause))
