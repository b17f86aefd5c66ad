"""Pure: an approval as shown, who takes part in it, and what has happened."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.console.answers import Decision, Missing, StepAnswer, StepState
from services.rules.state import Page
from shared.contracts.events import Status
from shared.contracts.workflow import Definition, Step


@dataclass(frozen=True, slots=True)
class Vote:
    """A decision, and the step it was on."""

    step: int
    decision: Decision


def steps(definition: Definition, status: Status, active: int, votes: Iterable[Vote]) -> tuple[StepAnswer, ...]:
    """Each step with how far it has come and who decided on it; ``active`` is the one the approval is or ended at."""
    by_step: dict[int, list[Decision]] = {}
    for vote in votes:
        by_step.setdefault(vote.step, []).append(vote.decision)
    return tuple(
        StepAnswer(
            step=n, name=step.name, state=_state(n, status, active), approvers=step.approvers, rule=step.rule,
            decisions=tuple(by_step.get(n, ())),
        )
        for n, step in enumerate(definition.steps)
    )


def _state(step: int, status: Status, active: int) -> StepState:
    if status is Status.APPROVED or step < active:
        return StepState.COMPLETED
    if step > active:
        return StepState.PENDING
    return {Status.OPEN: StepState.ACTIVE, Status.REJECTED: StepState.REJECTED}.get(status, StepState.PENDING)


def missing(step: Step, approvals: int, seats: int, decided: Iterable[str]) -> Missing:
    """What an active step still needs; bit *i* of ``seats`` says that approver *i* has spoken."""
    if step.rule.kind == "all":
        return Missing(approvals=None, approvers=tuple(a for i, a in enumerate(step.approvers) if not seats >> i & 1))
    spoken = set(decided)
    left = tuple(a for a in step.approvers if a.kind == "group" or a.id not in spoken)
    return Missing(approvals=(1 if step.rule.kind == "any" else step.rule.n) - approvals, approvers=left)


def unchanged(if_none_match: str | None, version: int) -> bool:
    """Does the caller already have this version (RFC 9110, weak comparison)?"""
    named = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return named == ["*"] or f'"{version}"' in named


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a page: its event, and what the person who caused it wrote."""

    event_type: str
    at: datetime
    event: dict[str, Any]
    comment: str | None

    @property
    def kind(self) -> str:
        """The event's type without its namespace and version."""
        return self.event_type.removeprefix("approvalflow.event.").rpartition(".v")[0]


def takes_part(account_id: str, groups: Iterable[str], definition: Definition, page: Page, history: Iterable[Happening]) -> bool:
    """May this person read what was written on an approval: its approvers, those who wrote the page, and who acted on it?"""
    approvers = {(a.kind, a.id) for step in definition.steps for a in step.approvers}
    return (
        ("account", account_id) in approvers or any(("group", group) in approvers for group in groups)
        or account_id in (page.author_id, page.editor_id) or any(h.event.get("actor_id") == account_id for h in history)
    )
