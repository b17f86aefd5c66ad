"""How long a partition stood still: from the times on the records alone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.kafka import Record


@dataclass(frozen=True, slots=True, order=True)
class Wait:
    """For how many seconds a partition told nothing although a command waited on it, and from when on."""

    seconds: float
    partition: int
    since: datetime

    def __str__(self) -> str:
        """Enough to find it in the logs."""
        return f"partition {self.partition} stood still for {self.seconds:.1f} s from {self.since:%H:%M:%S.%f} on"


def longest_wait(asked: Iterable[Record], told: Iterable[Record]) -> Wait:
    """The longest of all.

    A command waits from when it was put on the log until its event is there; between two events of a partition, the wait
    is counted from the later of the first event and the second's own command.

    :raises ValueError: nothing was asked and told.
    """
    answered: dict[bytes, int] = {}
    for event in told:
        answered.setdefault(_id(event), event.timestamp)
    pairs: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for record in asked:
        if _id(record) in answered:
            pairs[record.partition].append((answered[_id(record)], record.timestamp))
    return max(wait for partition, those in pairs.items() for wait in _waits(partition, sorted(those)))


def _waits(partition: int, pairs: Iterable[tuple[int, int]]) -> Iterator[Wait]:
    before = 0
    for at, asked in pairs:
        since = max(before, asked)
        yield Wait((at - since) / 1000, partition, datetime.fromtimestamp(since / 1000, UTC))
        before = at


def _id(record: Record) -> bytes:
    return dict(record.headers).get("ce_id", b"")
