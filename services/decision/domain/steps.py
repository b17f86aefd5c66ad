"""The rules of a step."""

from services.rules.state import Approval
from shared.contracts.events import Status
from shared.contracts.workflow import Definition, Quorum, Step


def satisfied(step: Step, approvals: int, seats: int) -> bool:
    """Is the step done, when ``approvals`` people have approved and spoken for these ``seats``?"""
    if isinstance(step.rule, Quorum):
        return approvals >= step.rule.n
    if step.rule.kind == "any":
        return approvals >= 1
    return seats == (1 << len(step.approvers)) - 1


def approve(approval: Approval, definition: Definition, voter_id: str, seats: int) -> Approval:
    """Count one approval; move to the next step, or to ``approved`` after the last, when it completes this one."""
    approvals, filled = approval.approvals + 1, approval.seats | seats
    decided = approval.decided | {voter_id}
    if not satisfied(definition.steps[approval.step], approvals, filled):
        return approval._replace(approvals=approvals, seats=filled, decided=decided)
    if approval.step + 1 == len(definition.steps):
        return approval._replace(status=Status.APPROVED, approvals=approvals, seats=filled, decided=decided)
    return approval._replace(step=approval.step + 1, approvals=0, seats=0, decided=frozenset())


def restart(approval: Approval, page_version: int) -> Approval:
    """Back to step one, at this page version, in a new round: earlier votes no longer count."""
    return approval._replace(
        status=Status.OPEN, step=0, round=approval.round + 1, approvals=0, seats=0, decided=frozenset(),
        page_version=page_version,
    )
