"""What is read off while something runs: CPU seconds and memory of processes, and how far a consumer group has come."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

Processes = Mapping[str, Sequence[int]]
"""Process ids by name; what they started counts with them."""


def cpu_seconds(pid: int) -> float:
    """CPU seconds used by a process and all that it ever started."""
    process, total = psutil.Process(pid), 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:  # ended since it was listed; its parent has its time
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment: how much had been done by then, and what each process had used."""

    done: int
    cpu: dict[str, float]
    at: float = field(default_factory=time.perf_counter)


def sample(done: int, processes: Processes) -> Sample:
    """This moment."""
    return Sample(done, {name: sum(map(cpu_seconds, pids)) for name, pids in processes.items()})


def memory(processes: Processes) -> dict[str, float]:
    """Resident megabytes of each."""
    return {name: sum(psutil.Process(pid).memory_info().rss for pid in pids) / 1e6 for name, pids in processes.items()}


@dataclass(frozen=True, slots=True)
class Span:
    """What happened between two moments."""

    first: Sample
    last: Sample

    @property
    def done(self) -> int:
        """How much was done."""
        return self.last.done - self.first.done

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.last.at - self.first.at

    @property
    def rate(self) -> float:
        """Done a second."""
        return self.done / self.seconds

    def microseconds(self) -> dict[str, float]:
        """CPU microseconds of each process for one thing done."""
        return {name: 1e6 * (used - self.first.cpu[name]) / self.done for name, used in self.last.cpu.items()}


async def committed(admin: AIOKafkaAdminClient, group: str) -> int:
    """How many records a group has committed, over all partitions."""
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    except GroupCoordinatorNotAvailableError:  # before the first group of all has joined
        return 0
    return sum(max(0, place.offset) for place in offsets.values())


async def members(admin: AIOKafkaAdminClient, group: str) -> int:
    """How many consumers share the partitions; 0 while they are being shared out."""
    [answer] = await admin.describe_consumer_groups([group])
    [(_, _, state, _, _, found, *_)] = answer.groups
    return len(found) if state == "Stable" else 0
