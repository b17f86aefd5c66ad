"""What is shown, from what is stored: pure functions."""

from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet

from services.console.answers import Decision, StepState
from services.console.cursors import Cursors, Place
from services.console.domain.approvals import Vote, missing, steps, unchanged
from services.console.domain.state import Growth
from services.console.settings import Settings
from services.console.web.render import ago, kind
from shared.contracts.commands import Verdict
from shared.contracts.events import Status
from shared.contracts.reasons import Reason
from shared.contracts.workflow import All, Quorum
from shared.problems import Refusal
from tests.builders import ALICE, BOB, CAROL, NOON, a_definition, a_step, accounts, groups

QUESTION = ("audit", "site-1", "pages", "900")
PLACE: Place = (NOON, "0199f3a0-7c1e-7b7a-9f57-3d0a52f6a1c4")


def vote(step: int, account: str, verdict: Verdict = Verdict.APPROVE) -> Vote:
    return Vote(step, Decision(account_id=account, verdict=verdict, decided_at=NOON))


@pytest.mark.parametrize(
    ("status", "active", "states"),
    [
        (Status.OPEN, 0, "active pending pending"),
        (Status.OPEN, 1, "completed active pending"),
        (Status.APPROVED, 2, "completed completed completed"),
        (Status.REJECTED, 1, "completed rejected pending"),
        (Status.CANCELLED, 1, "completed pending pending"),
    ],
)
def test_each_step_says_how_far_it_has_come(status: Status, active: int, states: str) -> None:
    shown = steps(a_definition(a_step(), a_step(), a_step()), status, active, ())
    assert [step.state for step in shown] == [StepState(state) for state in states.split()]


def test_decisions_are_shown_at_their_step_in_order() -> None:
    shown = steps(a_definition(a_step(), a_step()), Status.OPEN, 1, [vote(0, BOB), vote(1, CAROL), vote(0, ALICE)])
    assert [[d.account_id for d in step.decisions] for step in shown] == [[BOB, ALICE], [CAROL]]


def test_where_all_must_approve_those_whose_seat_is_empty_are_missing() -> None:
    step = a_step(accounts(ALICE, BOB) + groups("g1", "g2"), All())
    left = missing(step, 2, 0b0110, [BOB, CAROL])
    assert (left.approvals, [a.id for a in left.approvers]) == (None, [ALICE, "g2"])


def test_a_quorum_misses_people_and_a_group_may_speak_again() -> None:
    step = a_step(accounts(ALICE, BOB) + groups("g1"), Quorum(n=3))
    left = missing(step, 2, 0b101, [ALICE, CAROL])
    assert (left.approvals, [a.id for a in left.approvers]) == (1, [BOB, "g1"])


def test_any_one_is_missing_until_there_is_one() -> None:
    assert missing(a_step(), 0, 0, ()).approvals == 1


@pytest.mark.parametrize(
    ("header", "same"),
    [(None, False), ('"7"', True), ('W/"7"', True), ('"6", "7"', True), ("*", True), ('"77"', False), ("7", False), ("", False)],
)
def test_a_version_is_known_only_by_its_own_tag(header: str | None, same: bool) -> None:
    assert unchanged(header, 7) is same


def test_growth_is_between_looks_far_enough_apart() -> None:
    growth = Growth(looks=3)
    for at, total in ((0.0, 100), (0.5, 300), (2.0, 120), (7.0, 220), (9.0, 222)):
        growth.look(at, total)
    assert growth.rates() == [(5.0, 20.0), (2.0, 1.0)]


def test_a_cursor_goes_on_where_it_was_made_also_after_a_new_key() -> None:
    old, new = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())
    cursor = Cursors(MultiFernet([old])).after(QUESTION, PLACE)
    rotated = Cursors(MultiFernet([new, old]))
    assert rotated.place(QUESTION, cursor) == PLACE
    assert rotated.place(QUESTION, None) is None


def _cursors() -> tuple[Cursors, list[Any]]:
    fernet = Fernet(Fernet.generate_key())
    ours = Cursors(MultiFernet([fernet]))
    foreign = Cursors(MultiFernet([Fernet(Fernet.generate_key())]))
    good = ours.after(QUESTION, PLACE)
    other = ours.after((*QUESTION[:1], "site-2", *QUESTION[2:]), PLACE)
    return ours, ["", "x", "é", good[:-2] + "AA", foreign.after(QUESTION, PLACE), other, fernet.encrypt(b"a secret").decode(),
                  fernet.encrypt(b"[1]").decode(), fernet.encrypt(b"[1, [2, 3]]").decode()]


@pytest.mark.parametrize("which", range(9))
def test_any_other_cursor_is_malformed(which: int) -> None:
    ours, bad = _cursors()
    with pytest.raises(Refusal) as refused:
        ours.place(QUESTION, bad[which])
    assert (refused.value.reason, refused.value.field) == (Reason.MALFORMED, "/query/cursor")


def test_services_are_named_with_their_addresses() -> None:
    key = Fernet.generate_key().decode()
    read = Settings.model_validate({"services": "command=http://a:1, audit_fanout=http://b:2", "encryption_key": key})
    assert {name: str(address) for name, address in read.services.items()} == {
        "command": "http://a:1/", "audit_fanout": "http://b:2/",
    }
    for wrong in ("command", "command=nowhere"):
        with pytest.raises(ValueError, match="services"):
            Settings.model_validate({"services": wrong, "encryption_key": key})


@pytest.mark.parametrize(("seconds", "said"), [(-1, "0 s"), (59, "59 s"), (90, "2 min"), (7200, "2 h"), (200_000, "2 d")])
def test_a_length_of_time_is_said_in_one_unit(seconds: float, said: str) -> None:
    assert ago(seconds) == said


def test_an_event_is_named_in_words() -> None:
    assert kind("approvalflow.event.decision-recorded.v1") == "decision recorded"
