"""How far a group is behind, from offsets."""

from shared.lags import lag


def test_lag_is_what_is_kept_and_not_committed() -> None:
    found = lag("g", "t", {0: 0, 1: 50, 2: 0}, {0: 10, 1: 60, 2: 5}, {0: 10, 2: 9})
    assert (found.total, found.worst, found.begun) == (10, 1, True)
    never = lag("g", "t", {0: 3}, {0: 10}, {})
    assert (never.total, never.begun) == (7, False)
