"""The rules of a step."""

from dataclasses import replace

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
    step = definition.steps[approval.step]
    counted = replace(
        approval, approvals=approval.approvals + 1, seats=approval.seats | seats,
        decided=approval.decided | {voter_id},
    )
    if not satisfied(step, counted.approvals, counted.seats):
        return counted
    if approval.step + 1 == len(definition.steps):
        return replace(counted, status=Status.APPROVED)
    return replace(counted, step=approval.step + 1, approvals=0, seats=0, decided=frozenset())


def restart(approval: Approval, page_version: int) -> Approval:
    """Back to step one, at this page version, in a new round: earlier votes no longer count."""
    return replace(
        approval, status=Status.OPEN, step=0, round=approval.round + 1, approvals=0, seats=0, decided=frozenset(),
        page_version=page_version,
    )
