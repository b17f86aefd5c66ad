"""What people read is said for every reason and every event, and a conflict is told by what has changed."""

from typing import Any

import pytest

from services.console.answers import ApprovalAnswer
from services.console.domain import words
from services.console.domain.approvals import Happening, steps, takes_part
from services.console.domain.words import Seen
from services.console.web.signin import inside
from services.rules.state import Page
from shared.contracts.commands import CancelCause
from shared.contracts.events import Status
from shared.contracts.reasons import Reason
from shared.contracts.workflow import AccountApprover, All, Definition, GroupApprover, Quorum, Step
from shared.contracts.workflow import Any as AnyOne
from tests.builders import NOON

CHANGED = "The page changed to version {0} while you decided on version 1. Look at version {0} before you decide."
BACK = "The approval went back to its first step while you decided. What was decided before counts no more."
RESET = "the approval went back to step 1 at version 4"
DEFINITION = Definition(name="Policies", steps=(
    Step(name="Review", approvers=(AccountApprover(id="ann"), GroupApprover(id="readers")), rule=AnyOne()),
    Step(name="Release", approvers=(AccountApprover(id="carol"),), rule=All()),
))


def answer(**changes: Any) -> ApprovalAnswer:
    """An open approval at its first step, as shown."""
    said: dict[str, Any] = {
        "approval_id": "7-1", "page_version": 1, "status": Status.OPEN, "workflow_id": "wf", "workflow_version": 1, "step": 0, "round": 1,
        "submitted_at": NOON, "page_id": "7", "space_id": "s", "version": 2,
    } | changes
    return ApprovalAnswer(**said, steps=steps(DEFINITION, said["status"], said["step"], ()))


def happening(kind: str, comment: str | None = None, **event: Any) -> Happening:
    """Something that happened."""
    return Happening(f"approvalflow.event.{kind}.v1", NOON, event, comment)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_a_sentence(reason: Reason) -> None:
    said = words.refused(reason)
    assert said[0].isupper()
    assert said.endswith(".")
    assert reason.value not in said


@pytest.mark.parametrize(
    ("reason", "now", "page_version", "said"),
    [
        (Reason.PAGE_VERSION_STALE, {"page_version": 8}, 8, CHANGED.format(8)),
        (Reason.VERSION_CONFLICT, {}, 9, CHANGED.format(9)),
        (Reason.APPROVAL_CLOSED, {"status": Status.REJECTED}, 1, "The approval ended while you decided: it was rejected."),
        (Reason.APPROVAL_CLOSED, {"status": Status.CANCELLED}, None, "The approval ended while you decided: it was cancelled."),
        (Reason.VERSION_CONFLICT, {"round": 2}, 1, BACK),
        (Reason.NOT_AN_APPROVER, {"step": 1}, 1, "Step “Review” was completed while you decided. The approval now waits at “Release”."),
        (Reason.NOT_AN_APPROVER, {}, 1, "You are not an approver of the active step."),
        (Reason.ALREADY_DECIDED, {"step": 1}, 1, "You have already decided on this step."),
    ],
)
def test_a_conflict_is_told_by_what_has_changed(reason: Reason, now: dict[str, Any], page_version: int | None, said: str) -> None:
    assert words.conflict(reason, Seen(1, 0, 1), answer(**now), page_version) == said


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (happening("decision-recorded", step=0, verdict="approve", step_completed=False), "approved step 1"),
        (happening("decision-recorded", step=1, verdict="approve", step_completed=True), "approved step 2 and completed it"),
        (happening("decision-recorded", step=0, verdict="reject", step_completed=True), "rejected step 1"),
        (happening("approval-submitted", page_version=3), "put version 3 up for approval"),
        (happening("approval-reset", page_version=4, cause="edited"), f"{RESET} since the page was edited"),
        (happening("approval-reset", page_version=4, cause="command"), "sent it back to step 1 at version 4"),
        (happening("approval-cancelled", cause="command"), "cancelled the approval"),
        (happening("approval-kept", page_version=5), "the page was edited; the approval goes on at version 5"),
        (happening("page-recorded", change="moved", page_version=None), "the page was moved"),
        (happening("page-recorded", change="created", page_version=1), "the page was created (version 1)"),
    ],
)
def test_what_happened_is_a_sentence(what: Happening, said: str) -> None:
    assert words.happened(what) == said


@pytest.mark.parametrize(("what", "person"), [
    (happening("decision-recorded", actor_id="ann"), "ann"), (happening("approval-submitted", actor_id="ann"), "ann"),
    (happening("approval-cancelled", actor_id="ann", cause="command"), "ann"), (happening("workflow-event", actor_id="ann"), "ann"),
    (happening("approval-cancelled", actor_id="ann", cause="edited"), None), (happening("page-recorded", actor_id="ann"), None),
    (happening("approval-reset", actor_id="ann", cause="edited"), None), (happening("approval-kept", actor_id="ann"), None),
    (happening("workflow-event", actor_id="ann", change="owners_recorded"), None),
])
def test_somebody_is_named_where_it_is_said_what_they_did(what: Happening, person: str | None) -> None:
    assert words.who(what) == person


@pytest.mark.parametrize("cause", [cause for cause in CancelCause if cause is not CancelCause.COMMAND])
def test_every_cause_of_a_cancellation_is_said(cause: CancelCause) -> None:
    said = words.happened(happening("approval-cancelled", cause=cause))
    assert said.startswith("the approval was cancelled ")
    assert len(said) > len("the approval was cancelled ")


@pytest.mark.parametrize(("rule", "approvers", "said"), [
    (All(), 1, "must approve"), (All(), 3, "everyone must approve"), (AnyOne(), 3, "one approval is enough"),
    (Quorum(n=2), 3, "2 people must approve"),
])
def test_a_rule_is_said(rule: All | AnyOne | Quorum, approvers: int, said: str) -> None:
    assert words.rule(rule, approvers) == said


@pytest.mark.parametrize(("account", "groups", "takes"), [
    ("ann", [], True), ("carol", [], True), ("dan", ["readers"], True), ("dan", ["writers"], False), ("art", [], True), ("ed", [], True),
    ("sue", [], True), ("readers", [], False),
])
def test_words_are_for_those_who_take_part(account: str, groups: list[str], takes: bool) -> None:
    page = Page("site", "7", author_id="art", editor_id="ed")
    assert takes_part(account, groups, DEFINITION, page, [happening("approval-submitted", actor_id="sue")]) is takes


@pytest.mark.parametrize(
    "to", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/a b", "/\n", "javascript:1", "//"],
)
def test_signing_in_never_leads_elsewhere(to: str) -> None:
    assert inside(to) == "/"


@pytest.mark.parametrize("to", ["/", "/approvals/7-1?asked=x", "/pages/7"])
def test_signing_in_leads_back(to: str) -> None:
    assert inside(to) == to
