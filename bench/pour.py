"""A process that puts decisions on the log at a fixed rate: each has its moment, and one that is late keeps it."""

import asyncio
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import psutil
import uvloop
from pydantic import BaseModel

from bench.load import Load, Place
from shared.kafka import BatchPublisher, Outgoing
from shared.process import tune_collector
from shared.settings import ServiceSettings

_TICK_SECONDS = 0.05


class Order(BaseModel):
    """What to put on the log: three decisions for each page, so many decisions a second."""

    kafka: str
    site: str
    pages: int
    rate: float
    partitions: int


class Poured(BaseModel):
    """How it went: ``late`` is the most seconds that a decision was acknowledged after its moment, ``cpu`` a share of one core."""

    sent: int
    seconds: float
    late: float
    cpu: float


class Moments:
    """The moments fixed in advance."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.start = time.time() + 2 * _TICK_SECONDS
        self.given = 0

    def __call__(self) -> datetime:
        """The next one."""
        self.given += 1
        return datetime.fromtimestamp(self.at(self.given - 1), UTC)

    def at(self, number: int) -> float:
        """The moment of one decision, in seconds since the epoch."""
        return self.start + number / self.rate

    def due(self) -> int:
        """How many moments have come that were not given yet."""
        return max(0, int((time.time() - self.start) * self.rate) - self.given)


async def pour(order: Order) -> Poured:
    """Do it."""
    load = Load([Place(order.site, str(n)) for n in range(order.pages)])
    publisher = BatchPublisher(ServiceSettings(kafka=order.kafka), "bench-pour")
    await publisher.start()
    try:
        return await _pour(publisher, load, order)
    finally:
        await publisher.stop()


async def _pour(publisher: BatchPublisher, load: Load, order: Order) -> Poured:
    moments, process = Moments(order.rate), psutil.Process()
    messages, late, before = load.decisions(partitions=order.partitions, clock=moments), 0.0, process.cpu_times()
    while moments.given < len(load):
        tick, started = time.time() + _TICK_SECONDS, moments.given
        await publisher.publish(_due(messages, moments))
        if moments.given > started:
            late = max(late, time.time() - moments.at(started))
        await asyncio.sleep(tick - time.time())
    after, seconds = process.cpu_times(), time.time() - moments.start
    cpu = (after.user + after.system - before.user - before.system) / seconds
    return Poured(sent=moments.given, seconds=seconds, late=late, cpu=cpu)


def _due(messages: Iterator[Outgoing], moments: Moments) -> list[Outgoing]:
    return list(islice(messages, moments.due()))


if __name__ == "__main__":
    tune_collector()
    print(uvloop.run(pour(Order.model_validate_json(sys.argv[1]))).model_dump_json())
