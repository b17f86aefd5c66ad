"""Commands and facts about one page."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.decision.domain.page import decide
from services.rules.state import Page
from shared.contracts.base import Environment, Licence
from shared.contracts.commands import CancelApproval, CancelCause, PageCommand, ResetApproval, Verdict
from shared.contracts.events import (
    ApprovalCancelled,
    ApprovalKept,
    ApprovalReset,
    ApprovalSubmitted,
    CommandRefused,
    DecisionRecorded,
    Event,
    PageRecorded,
    Status,
)
from shared.contracts.facts import PageChange, PageChanged
from shared.contracts.reasons import Reason
from shared.contracts.workflow import OnEdit
from tests.builders import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    NOON,
    PAGE,
    SITE,
    a_caller,
    a_cause,
    a_decision,
    a_definition,
    a_fact,
    a_page,
    a_step,
    a_submission,
    a_workflow,
    accounts,
    an_approval,
    known,
)


def _after(message: PageCommand | PageChanged, page: Page, **facts: Any) -> tuple[Page, Event]:
    outcome = decide(message, a_cause(message.caller.account_id), page, known(**facts), NOON)
    assert outcome is not None
    return outcome.state, outcome.event


def _reason(message: PageCommand, page: Page, **facts: Any) -> Reason:
    state, event = _after(message, page, **facts)
    assert isinstance(event, CommandRefused)
    assert state == page
    return event.reason


def test_a_submission_starts_a_run_on_the_page() -> None:
    state, event = _after(a_submission(), a_page())
    assert isinstance(event, ApprovalSubmitted)
    assert event.approval_id == f"{PAGE}-1"
    assert state.approval is not None
    assert (state.version, state.approval.status, state.approval.page_version) == (4, Status.OPEN, 7)


def test_a_later_submission_is_the_next_run_and_keeps_the_former_one() -> None:
    ended = an_approval(status=Status.REJECTED)
    outcome = decide(a_submission(), a_cause(CAROL), a_page(ended), known(), NOON)
    assert outcome is not None
    assert outcome.replaced == ended
    assert outcome.state.approval is not None
    assert outcome.state.approval.run == 2


@pytest.mark.parametrize(("page", "facts", "reason"), [
    (a_page(state="trashed"), {}, Reason.PAGE_UNAVAILABLE),
    (a_page(page_version=8), {}, Reason.PAGE_VERSION_STALE),
    (a_page(an_approval()), {}, Reason.APPROVAL_OPEN),
    (a_page(), {"workflow": None}, Reason.NOT_FOUND),
    (a_page(), {"workflow": a_workflow(archived=True)}, Reason.WORKFLOW_ARCHIVED),
])
def test_a_submission_is_refused(page: Page, facts: dict[str, Any], reason: Reason) -> None:
    assert _reason(a_submission(), page, **facts) is reason


@pytest.mark.parametrize(("message", "page", "reason"), [
    (a_decision(CAROL), a_page(an_approval()), Reason.NOT_AN_APPROVER),
    (a_decision(), a_page(an_approval(decided=frozenset({ALICE}))), Reason.ALREADY_DECIDED),
    (a_decision(), a_page(an_approval(seats=0b01)), Reason.ALREADY_DECIDED),
    (a_decision(), a_page(an_approval(), editor_id=ALICE), Reason.FOUR_EYES),
    (a_decision(), a_page(an_approval(), author_id=ALICE), Reason.FOUR_EYES),
    (a_decision(page_version=6), a_page(an_approval()), Reason.PAGE_VERSION_STALE),
    (a_decision(expected_version=2), a_page(an_approval()), Reason.VERSION_CONFLICT),
    (a_decision(verdict=Verdict.REJECT), a_page(an_approval()), Reason.COMMENT_REQUIRED),
    (a_decision(), a_page(an_approval(status=Status.APPROVED)), Reason.APPROVAL_CLOSED),
    (a_decision(), a_page(an_approval(run=2)), Reason.APPROVAL_CLOSED),
    (a_decision(approval_id=f"{PAGE}-9"), a_page(an_approval()), Reason.NOT_FOUND),
    (a_decision(), a_page(), Reason.NOT_FOUND),
    (a_decision(None), a_page(an_approval()), Reason.NOT_PERMITTED),
])
def test_a_decision_is_refused(message: PageCommand, page: Page, reason: Reason) -> None:
    assert _reason(message, page) is reason


@pytest.mark.parametrize(("licence", "stored", "environment", "refused"), [
    (Licence.ACTIVE, None, Environment.PRODUCTION, False),
    (Licence.INACTIVE, True, Environment.PRODUCTION, True),
    (Licence.UNKNOWN, None, Environment.PRODUCTION, True),
    (Licence.UNKNOWN, False, Environment.PRODUCTION, True),
    (Licence.UNKNOWN, True, Environment.PRODUCTION, False),
    (Licence.UNKNOWN, None, Environment.OTHER, False),
])
def test_production_without_a_licence_refuses_every_change(
    licence: Licence, stored: bool | None, environment: Environment, refused: bool,
) -> None:
    caller = a_caller(licence=licence, environment=environment)
    state, event = _after(a_decision(caller=caller), a_page(an_approval()), licence_active=stored)
    assert isinstance(event, CommandRefused) is refused
    assert state.version == (3 if refused else 4)


def test_the_last_step_approves_the_page() -> None:
    definition = a_definition(a_step(accounts(ALICE)), a_step(accounts(BOB)))
    first, event = _after(a_decision(ALICE), a_page(an_approval()), definition=definition)
    assert isinstance(event, DecisionRecorded)
    assert (event.step, event.step_completed, event.status) == (0, True, Status.OPEN)
    second, event = _after(a_decision(BOB), first, definition=definition)
    assert isinstance(event, DecisionRecorded)
    assert (event.step, event.status) == (1, Status.APPROVED)
    assert second.version == first.version + 1


def test_a_rejection_ends_it_and_keeps_the_words_apart() -> None:
    words = {"text": "wrong figures", "salt": "ab" * 16}
    outcome = decide(a_decision(verdict=Verdict.REJECT, comment=words), a_cause(), a_page(an_approval()), known(), NOON)
    assert outcome is not None
    assert outcome.comment is not None
    assert outcome.comment.text == "wrong figures"
    assert outcome.state.approval is not None
    assert outcome.state.approval.status is Status.REJECTED
    assert "wrong" not in outcome.event.model_dump_json()


@pytest.mark.parametrize(("reaction", "kind", "status", "version"), [
    (OnEdit.RESET, ApprovalReset, Status.OPEN, 8),
    (OnEdit.KEEP, ApprovalKept, Status.OPEN, 8),
    (OnEdit.CANCEL, ApprovalCancelled, Status.CANCELLED, 7),
])
def test_an_edit_does_what_the_workflow_says(reaction: OnEdit, kind: type[Event], status: Status, version: int) -> None:
    state, event = _after(a_fact(), a_page(an_approval(approvals=1, seats=1)), definition=a_definition(on_edit=reaction))
    assert isinstance(event, kind)
    assert state.approval is not None
    assert (state.page_version, state.approval.status, state.approval.page_version) == (8, status, version)
    assert state.approval.approvals == (1 if reaction is not OnEdit.RESET else 0)


@pytest.mark.parametrize("fact", [
    a_fact(page_version=7), a_fact(page_version=6), a_fact(PageChange.MOVED, page_version=None),
    a_fact(page_version=None, happened_at=NOON - timedelta(hours=3)),
    a_fact(PageChange.TRASHED, page_version=None, happened_at=NOON - timedelta(hours=3)),
])
def test_late_and_repeated_facts_change_nothing(fact: PageChanged) -> None:
    page = a_page(an_approval(), state_at=NOON - timedelta(hours=1))
    assert decide(fact, a_cause(CAROL), page, known(), NOON) is None


def test_an_edit_without_a_version_counts_as_the_next_one() -> None:
    state, event = _after(a_fact(page_version=None), a_page(an_approval()))
    assert isinstance(event, ApprovalReset)
    assert state.page_version == 8


def test_no_version_but_the_page_s_own_is_submitted_and_its_editor_stays_known() -> None:
    for version in (6, 8, 2**31 - 1):
        assert _reason(a_submission(page_version=version), a_page()) is Reason.PAGE_VERSION_STALE
    submitted, _ = _after(a_submission(), a_page())
    assert (submitted.page_version, submitted.editor_id) == (7, CAROL)
    assert _reason(a_decision(CAROL), submitted, definition=a_definition(a_step(accounts(CAROL)))) is Reason.FOUR_EYES


def test_a_submission_of_a_page_never_heard_of_says_nothing_of_its_version() -> None:
    submitted, _ = _after(a_submission(page_version=2**31 - 1), Page(SITE, PAGE))
    assert submitted.page_version is None
    edited, _ = _after(a_fact(page_version=8), submitted)
    assert edited.page_version == 8


def test_a_late_move_moves_nothing_back() -> None:
    moved, _ = _after(a_fact(PageChange.MOVED, page_version=None, space_id="S2", happened_at=NOON + timedelta(minutes=20)), a_page())
    assert moved.space_id == "S2"
    late = a_fact(PageChange.MOVED, page_version=None, space_id="S1", happened_at=NOON + timedelta(minutes=10))
    assert decide(late, a_cause(None), moved, known(), NOON) is None
    trashed, _ = _after(a_fact(PageChange.TRASHED, page_version=None, space_id="S1", happened_at=NOON + timedelta(minutes=15)), moved)
    assert (trashed.space_id, trashed.state) == ("S2", "trashed")


@pytest.mark.parametrize(("change", "cause", "state"), [
    (PageChange.TRASHED, CancelCause.TRASHED, "trashed"), (PageChange.REMOVED, CancelCause.REMOVED, "removed"),
    (PageChange.ARCHIVED, CancelCause.ARCHIVED, "archived"),
])
def test_a_page_that_goes_cancels_its_approval(change: PageChange, cause: CancelCause, state: str) -> None:
    after, event = _after(a_fact(change, page_version=7), a_page(an_approval()))
    assert isinstance(event, ApprovalCancelled)
    assert (event.cause, after.state) == (cause, state)
    assert _reason(a_submission(), after) is Reason.PAGE_UNAVAILABLE


def test_a_restored_page_may_be_submitted_and_a_purged_one_never() -> None:
    later = {"page_version": None, "happened_at": NOON + timedelta(hours=1)}
    restored, event = _after(a_fact(PageChange.RESTORED, **later), a_page(state="trashed", state_at=NOON))
    assert isinstance(event, PageRecorded)
    assert _after(a_submission(), restored)[0].approval is not None
    assert decide(a_fact(PageChange.RESTORED, **later), a_cause(), a_page(state="removed", state_at=NOON), known(), NOON) is None


def test_an_older_trash_that_arrives_after_the_restore_still_ends_what_was_open_then() -> None:
    page = a_page(an_approval(submitted_at=NOON - timedelta(hours=3)), state_at=NOON - timedelta(hours=1))
    state, event = _after(a_fact(PageChange.TRASHED, page_version=None, happened_at=NOON - timedelta(hours=2)), page)
    assert isinstance(event, ApprovalCancelled)
    assert state.state == "current"


def _reset(account: str) -> ResetApproval:
    return ResetApproval(site_id=SITE, caller=a_caller(account), page_id=PAGE, approval_id=f"{PAGE}-1")


def test_reset_goes_back_to_step_one_in_a_new_round() -> None:
    page = a_page(an_approval(step=1, approvals=1, status=Status.REJECTED), page_version=9)
    state, event = _after(_reset(DAVE), page)
    assert isinstance(event, ApprovalReset)
    assert state.approval is not None
    assert (state.approval.step, state.approval.round, state.approval.page_version) == (0, 2, 9)


def test_reset_and_cancel_are_for_owners_and_space_admins() -> None:
    page = a_page(an_approval())
    assert _reason(_reset(ALICE), page) is Reason.NOT_PERMITTED
    cancel = CancelApproval(site_id=SITE, caller=a_caller(ALICE), page_id=PAGE, approval_id=f"{PAGE}-1")
    assert _reason(cancel, page) is Reason.NOT_PERMITTED
    stale = known(workflow=None)
    old = replace(stale.space, admins_read_at=NOON - timedelta(days=3))
    assert _reason(_reset(DAVE), page, workflow=None, space=old) is Reason.FACTS_STALE
