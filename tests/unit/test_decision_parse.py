"""How a batch is divided."""

from dataclasses import dataclass

import pytest

from services.decision.parse import lanes, parts
from shared.contracts.topics import INTAKE


@dataclass
class Record:
    """A record that no one can read."""

    partition: int
    offset: int
    topic: str = INTAKE.name
    key: bytes | None = b"k"
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


def _records(*partitions: int) -> list[Record]:
    return [Record(partition, offset) for offset, partition in enumerate(partitions)]


@pytest.mark.parametrize(("partitions", "lengths"), [
    ((), []), ((0, 0, 0), [3]), ((0, 1, 0, 1), [2, 2]), ((0, 0, 0, 1, 2, 3), [3, 3]), ((0, 0, 0, 0, 1, 2), [4, 2]),
])
def test_lanes_are_about_as_long_as_each_other(partitions: tuple[int, ...], lengths: list[int]) -> None:
    assert [len(lane) for lane in lanes(_records(*partitions), 2)] == lengths


@pytest.mark.parametrize(("records", "lanes_of_three"), [(2, 1), (3, 1), (4, 2), (9, 3), (90, 4)])
def test_few_records_share_a_lane(records: int, lanes_of_three: int) -> None:
    assert len(lanes(_records(*(n % 8 for n in range(records))), 4, full=3)) == lanes_of_three


def test_a_partition_is_in_one_lane_in_its_order() -> None:
    split = lanes(_records(2, 0, 1, 2, 1, 0, 3, 2, 3), 3)
    for partition in range(4):
        homes = [[r.offset for r in lane if r.partition == partition] for lane in split]
        home, = (home for home in homes if home)
        assert home == sorted(home)


def test_parts_hold_no_more_than_they_may_and_all_there_is() -> None:
    sizes = [len(part.records) for part in parts(_records(*[0] * 7), 3)]
    assert sizes == [3, 3, 1]
