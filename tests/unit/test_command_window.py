"""How far from now the time of an event may be."""

from datetime import timedelta

import pytest

from services.command.domain import Window
from shared.contracts.reasons import Reason
from shared.problems import Refusal
from tests.unit.translated import NOW


@pytest.mark.parametrize(
    ("offset", "good"),
    [
        (timedelta(days=-7), True),
        (timedelta(days=-7, seconds=-1), False),
        (timedelta(minutes=5), True),
        (timedelta(minutes=5, seconds=1), False),
    ],
)
def test_times_far_off_are_refused(offset: timedelta, good: bool) -> None:
    window = Window(timedelta(days=7), timedelta(minutes=5))
    if good:
        window.check(NOW + offset, NOW, "/timestamp")
    else:
        with pytest.raises(Refusal) as refused:
            window.check(NOW + offset, NOW, "/timestamp")
        assert refused.value.reason is Reason.TIME_OUT_OF_RANGE
