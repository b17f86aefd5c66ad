"""What a release would do, told from the reasons alone."""

from collections.abc import Sequence

import pytest

from services.console.domain.releasing import Fate, Record, Service, foresee
from tests.builders import NOON

AGAIN, RETRIED, UNREADABLE, ASIDE, WAITS = Fate.AGAIN, Fate.RETRIED, Fate.UNREADABLE, Fate.ASIDE, Fate.WAITS


def records(*reasons: str) -> list[Record]:
    return [Record(0, offset, reason, "", NOON, 1, False) for offset, reason in enumerate(reasons)]


@pytest.mark.parametrize(("reasons", "released", "set_aside"), [
    ((), [], []),
    (("malformed", "waiting"), [UNREADABLE, WAITS], [ASIDE, AGAIN]),
    (("malformed", "malformed", "waiting"), [UNREADABLE, WAITS, WAITS], [ASIDE, UNREADABLE, WAITS]),
    (("unhandled", "waiting"), [RETRIED, AGAIN], [RETRIED, AGAIN]),
    (("waiting", "malformed", "waiting"), [AGAIN, UNREADABLE, WAITS], [AGAIN, UNREADABLE, WAITS]),
    (("waiting", "waiting"), [AGAIN, AGAIN], [AGAIN, AGAIN]),
])
def test_decision_stops_at_the_first_it_cannot_read(reasons: Sequence[str], released: list[Fate], set_aside: list[Fate]) -> None:
    waiting = records(*reasons)
    assert foresee(Service.DECISION, waiting) == released
    assert foresee(Service.DECISION, waiting, set_aside=True) == set_aside


def test_audit_fanout_passes_over_what_it_cannot_read() -> None:
    assert foresee(Service.AUDIT_FANOUT, records("malformed", "malformed")) == [Fate.SKIPPED] * 2
