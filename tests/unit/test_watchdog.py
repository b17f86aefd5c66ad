"""Which looks at a consumer add up to a stall."""

from aiokafka import TopicPartition
from opentelemetry.metrics import get_meter

from shared.settings import ServiceSettings
from shared.watchdog import _LOOKS, Watchdog

ONE, TWO = TopicPartition("t", 0), TopicPartition("t", 1)


def a_watchdog() -> Watchdog:
    return Watchdog(ServiceSettings(), "group", 1, get_meter("test").create_counter("test"))


def test_a_partition_that_waits_and_does_not_move_is_stalled_and_no_other() -> None:
    watchdog = a_watchdog()
    for look in range(_LOOKS):
        assert watchdog.note({ONE: 5, TWO: look}, {ONE: 6, TWO: 100}) == []
    assert watchdog.note({ONE: 5, TWO: _LOOKS}, {ONE: 6, TWO: 100}) == [ONE]


def test_one_that_does_not_find_its_position_is_stalled_too() -> None:
    watchdog = a_watchdog()
    assert [watchdog.note({ONE: -1}, {ONE: 0}) for _ in range(_LOOKS + 1)][-1] == [ONE]


def test_an_idle_one_is_not_and_waits_from_when_there_is_something() -> None:
    watchdog = a_watchdog()
    for _ in range(3 * _LOOKS):
        assert watchdog.note({ONE: 5}, {ONE: 5}) == []
    for _ in range(_LOOKS):
        assert watchdog.note({ONE: 5}, {ONE: 9}) == []
    assert watchdog.note({ONE: 5}, {ONE: 9}) == [ONE]


def test_one_that_moves_now_and_then_or_is_another_members_for_a_while_is_not() -> None:
    watchdog = a_watchdog()
    for look in range(5 * _LOOKS):
        assert watchdog.note({ONE: look // _LOOKS}, {ONE: 99}) == []
    for look in range(5 * _LOOKS):
        assert watchdog.note({} if look % _LOOKS == 0 else {ONE: 7}, {ONE: 99}) == []


def test_while_a_handler_runs_nothing_counts() -> None:
    watchdog = a_watchdog()
    for _ in range(_LOOKS):
        watchdog.note({ONE: 5}, {ONE: 9})
    with watchdog.handling():
        for _ in range(3 * _LOOKS):
            assert watchdog.note({ONE: 5}, {ONE: 9}) == []
    assert watchdog.note({ONE: 5}, {ONE: 9}) == [ONE]
