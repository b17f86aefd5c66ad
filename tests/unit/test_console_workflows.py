"""Workflows as forms, what is different between two versions, what would become of a step, and the days of a report: pure functions."""

from datetime import date, timedelta

import pytest

from services.console.domain import differences, drafts, words
from services.console.domain.approvals import Happening
from services.console.domain.drafts import Draft, StepDraft
from services.console.domain.outlook import Crowd, outlook
from services.console.domain.reporting import Range, Week, chosen, every
from shared.contracts.workflow import All, Definition, GroupApprover, OnEdit, Quorum, Step
from tests.builders import ALICE, BOB, CAROL, DAVE, NOON, a_definition, a_step, accounts, groups

OLD, NEW = NOON - timedelta(hours=25), NOON - timedelta(hours=1)
SINCE = NOON - timedelta(hours=24)


def named(name: str, **changes: object) -> Step:
    return a_step().model_copy(update={"name": name, **changes})


def said(draft: Draft) -> drafts.Mistakes:
    found = drafts.judged(draft)
    assert not isinstance(found, Definition)
    return found


def test_a_definition_survives_the_form() -> None:
    odd = accounts("group:x", "account:y", ALICE) + groups("reviewers")
    definition = a_definition(a_step(odd, Quorum(n=2)), named("second", rule=All()), on_edit=OnEdit.KEEP, four_eyes=False)
    assert drafts.judged(drafts.of(definition)) == definition


def test_a_form_is_read_up_to_its_last_step() -> None:
    form = {"name": "n", "owners": "a\r\nb", "on_edit": "keep", "step-0-name": "s", "step-0-approvers": "ann", "step-2-name": "beyond"}
    assert drafts.read(form) == Draft("n", "a\r\nb", "keep", four_eyes=False, steps=(StepDraft("s", "ann", "", ""),))


@pytest.mark.parametrize(
    ("draft", "field", "told"),
    [
        (Draft(name=" "), "name", "This is needed."),
        (Draft(name="a\tb"), "name", "A name is one line of text."),
        (Draft(owners="ann\na b"), "owners", "“a b” cannot be the id of a person or a group."),
        (Draft(owners="unknown"), "owners", "“unknown” cannot be the id of a person or a group."),
        (Draft(on_edit="explode"), "on_edit", "Choose one of these."),
        (Draft(steps=()), "steps", "At least one is needed."),
        (Draft(steps=(StepDraft(name="x" * 256),)), "step-0-name", "This is longer than 255 characters."),
        (Draft(), "step-0-approvers", "At least one is needed."),
        (Draft(steps=(StepDraft(approvers="ann\ngroup:"),)), "step-0-approvers", "An id is missing."),
        (Draft(steps=(StepDraft(), StepDraft("s", "ann\nann"))), "step-1-approvers", "An approver is listed twice."),
        (Draft(steps=(StepDraft("s", "ann", "quorum", "2"),)), "step-0-n", "The quorum is larger than the number of approvers."),
        (Draft(steps=(StepDraft("s", "ann", "quorum", ""),)), "step-0-n", "Give a number from 1 to 1,000."),
        (Draft(steps=(StepDraft("s", "ann", "quorum", "0"),)), "step-0-n", "Give a number from 1 to 1,000."),
        (Draft(steps=(StepDraft("s", "ann", "most"),)), "step-0-rule", "Choose one of these."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(draft: Draft, field: str, told: str) -> None:
    assert said(draft)[field] == [told]


def test_nothing_is_said_of_a_whole_whose_parts_are_wrong() -> None:
    assert said(Draft(name="n", steps=(StepDraft("s", "a b"),))).keys() == {"step-0-approvers"}


@pytest.mark.parametrize(
    ("button", "left", "focus"),
    [("add", "abc.", 3), ("remove:1", "ac", 0), ("remove:0", "bc", 0), ("up:2", "acb", 1), ("down:0", "bac", 1),
     ("up:0", "abc", 0), ("down:2", "abc", 2), ("remove:7", "abc", 2)],
)
def test_steps_go_where_the_buttons_send_them(button: str, left: str, focus: int) -> None:
    found = drafts.moved(Draft(steps=tuple(StepDraft(name) for name in "abc")), button)
    assert found is not None
    assert ("".join(step.name or "." for step in found[0].steps), found[1]) == (left, focus)


def test_a_form_keeps_one_step_at_least_and_fifty_at_most() -> None:
    one, most = Draft(), Draft(steps=(StepDraft(),) * drafts.MOST_STEPS)
    assert drafts.moved(one, "remove:0") == (one, 0)
    assert drafts.moved(most, "add") == (most, 0)
    for other in ("save", "preview", "", "up:x", "up:100"):
        assert drafts.moved(one, other) is None


def test_a_step_is_followed_by_its_name_and_one_in_its_place_is_renamed() -> None:
    old = a_definition(named("a"), named("b"), named("c"))
    new = a_definition(named("z"), named("b", approvers=accounts(ALICE, CAROL) + groups("g1"), rule=All()), named("c"), named("d"))
    found = list(differences.of_steps(old, new))
    assert [(step.before, step.after, step.name, step.state) for step in found] == [
        (1, 1, "z", "changed"), (2, 2, "b", "changed"), (3, 3, "c", "unchanged"), (None, 4, "d", "added"),
    ]
    assert [(c.of, c.removed, c.added) for c in found[1].changes] == [
        ("Rule", ("one approval is enough",), ("everyone must approve",)), ("Approvers", (BOB,), (CAROL, "group g1")),
    ]
    [gone] = [step for step in differences.of_steps(new, old) if step.state == "removed"]
    assert (gone.before, gone.after, gone.changes[-1].removed) == (4, None, (ALICE, BOB))


def test_the_whole_of_a_workflow_is_compared_too() -> None:
    old = a_definition()
    new = a_definition(name="New", owners=(ALICE,), on_edit=OnEdit.CANCEL, four_eyes=False)
    assert [(c.of, c.removed, c.added) for c in differences.of_workflow(old, new)] == [
        ("Name", ("review",), ("New",)), ("Owners", (DAVE,), (ALICE,)),
        ("When the page is edited", ("the approval goes back to step 1",), ("the approval is cancelled",)),
        ("Four eyes", ("author and last editor may not approve",), ("author and last editor may approve too",)),
    ]
    assert differences.of_workflow(old, old) == ()


@pytest.mark.parametrize(
    ("step", "people", "margin", "critical"),
    [
        (a_step(accounts(ALICE)), {ALICE}, 1, {ALICE}),
        (a_step(groups("fresh")), {BOB, CAROL}, 2, {BOB, CAROL}),
        (a_step(groups("stale", "unheard")), set(), 0, set()),
        (a_step(accounts(ALICE, BOB) + groups("fresh"), Quorum(n=2)), {ALICE, BOB, CAROL}, 2, {ALICE, BOB, CAROL}),
        (a_step(groups("fresh"), Quorum(n=3)), {BOB, CAROL}, 0, {BOB, CAROL}),
        (a_step(accounts(ALICE) + groups("fresh"), All()), {ALICE, BOB, CAROL}, 1, {ALICE}),
        (a_step(accounts(ALICE) + groups("stale"), All()), {ALICE}, 0, set()),
    ],
)
def test_who_could_decide_on_a_step_and_how_many_must_be_missing_for_it_to_be_stuck(
    step: Step, people: set[str], margin: int, critical: set[str],
) -> None:
    crowds = {"fresh": Crowd(NEW, frozenset({BOB, CAROL})), "stale": Crowd(OLD, frozenset({DAVE}))}
    [found] = outlook([step], crowds, SINCE)
    assert (set(found.people), found.margin, set(found.critical)) == (people, margin, critical)
    assert found.stuck_by == (margin if margin in (1, 2) else None)


def test_a_group_says_when_it_was_read_and_whether_there_are_more() -> None:
    crowds = {"g": Crowd(NEW, frozenset({BOB}), more=True), "old": Crowd(OLD, frozenset())}
    [found] = outlook([a_step(groups("g", "old", "none"))], crowds, SINCE)
    assert [(group.id, group.crowd is None, group.fresh) for group in found.groups] == [
        ("g", False, True), ("old", False, False), ("none", True, False),
    ]
    assert found.more


def test_who_was_faster_is_told_by_what_matters_most() -> None:
    def happening(version: int, change: str, **event: object) -> Happening:
        said = {"version": version, "change": change, "actor_id": "olga", **event}
        return Happening("approvalflow.event.workflow-event.v1", NOON, said, None)

    told = [happening(5, "assigned", scope="page", scope_id="7"), happening(4, "changed", workflow_version=3), happening(3, "archived")]
    assert words.overtaken(told, 3, "edited") == "olga saved version 3 while you edited."
    assert words.overtaken(told, 4, "edited") == "olga assigned it to page 7 while you edited."
    assert words.overtaken(told, 2, "looked at it") == "olga saved version 3 while you looked at it."
    assert words.overtaken(told, 5, "edited") == "The workflow was changed while you edited."


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ("", "", Range(date(2026, 10, 6), date(2026, 11, 2))), ("2026-11-02", "", Range(date(2026, 11, 2), date(2026, 11, 2))),
        ("2026-08-03", "2026-11-02", Range(date(2026, 8, 3), date(2026, 11, 2))),
        ("2026-08-02", "2026-11-02", "A report covers 92 days at most."), ("2026-11-03", "", "The first day must not be after the last."),
        ("soon", "", "Give both days as in 2026-11-25."), ("", "0001-01-01", "Give both days as in 2026-11-25."),
        ("9999-12-31", "9999-12-31", "The first day must not be after the last."),
    ],
)
def test_the_days_of_a_report(first: str, last: str, told: Range | str) -> None:
    assert chosen(first, last, NOON.date()) == told


def test_a_week_in_which_nothing_ended_is_shown_too() -> None:
    within = Range(date(2026, 10, 22), date(2026, 11, 2))
    assert (within.until - within.since) == timedelta(days=12)
    busy = Week(date(2026, 10, 26), approved=3, median=60.0, p90=90.0)
    assert every([busy], within) == [Week(date(2026, 10, 19)), busy, Week(date(2026, 11, 2))]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (90, "1 min 30 s"), (3600, "1 h"), (100_800, "1 d 4 h"), (86_460, "1 d")],
)
def test_how_long_it_lasted_is_said_in_two_units(seconds: float, said: str) -> None:
    assert words.lasted(seconds) == said


def test_a_group_is_named_as_one() -> None:
    assert differences.named(GroupApprover(id="g1")) == "group g1"
