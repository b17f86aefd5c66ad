"""Instruments that every process has, and gauges that are looked up only when metrics are read."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, Observation

LABELS: Mapping[str, str] = {
    "available": "true or false",
    "channel": "how the sender is known: forge, connect, data-center or system",
    "error": "the class of an error",
    "fresh": "yes or no",
    "group": "a consumer group",
    "kind": "of an event, of directory facts, or of what retention removes: each from a closed list",
    "licence": "active, inactive or unknown",
    "outcome": "accepted, applied, ignored, refused, or failed where none was reached",
    "part": "of the operators' page",
    "partition": "its number",
    "reason": "one of the reasons, `none`, or `applied`",
    "result": "of a sweep: done, unfinished, busy or failed",
    "route": "what console was asked for, without ids",
    "service": "a service",
    "sink": "of the audit log: store or archive",
}
"""Every label of an instrument, and its values: few and known, never an id or what people wrote."""
Labels = Mapping[str, str | int]
Source = Callable[[], Iterable[tuple[float, Labels]]]
"""What a gauge shows now: values, each with its labels."""


class Gauge:
    """A gauge that asks each of its sources whenever metrics are read, so that what is gone is no longer shown."""

    def __init__(self, meter: Meter, name: str, unit: str, description: str) -> None:
        self._sources: list[Source] = []
        meter.create_observable_gauge(name, [self._observe], unit, description)

    def show(self, source: Source) -> None:
        """Ask this source for as long as the process lives."""
        self._sources.append(source)

    @contextmanager
    def shows(self, source: Source) -> Iterator[None]:
        """Ask this source for the length of the block."""
        self.show(source)
        try:
            yield
        finally:
            self._sources.remove(source)

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, dict(labels)) for source in self._sources for value, labels in source()]


@contextmanager
def shown(sources: Iterable[tuple[Gauge, Source]]) -> Iterator[None]:
    """Have each gauge ask its source for the length of the block."""
    with ExitStack() as stack:
        for gauge, source in sources:
            stack.enter_context(gauge.shows(source))
        yield


_meter = metrics.get_meter("approvalflow")
LAG = Gauge(
    _meter, "approvalflow.consumer.lag", unit="{record}",
    description="Records of a partition that wait for a consumer group, as the member that has the partition sees it.",
)
POSITION = Gauge(
    _meter, "approvalflow.consumer.position", unit="{record}",
    description="Where a consumer group reads on in a partition; with records waiting, it must rise.",
)
LOOP_DELAY = _meter.create_histogram(
    "approvalflow.process.loop.delay", unit="s",
    description="How late the event loop runs what is due, looked at ten times a second.",
)
POOL_WAIT = _meter.create_histogram(
    "approvalflow.pool.wait", unit="s",
    description="From asking for a database connection to having it.",
)
_LOOK_SECONDS = 0.1


@contextmanager
def timed(histogram: metrics.Histogram, labels: Labels | None = None) -> Iterator[None]:
    """Record how long the block took, in seconds, however it ends."""
    began = time.perf_counter()
    try:
        yield
    finally:
        histogram.record(time.perf_counter() - began, labels)


async def watch_loop() -> None:
    """Measure the event loop's delay, for ever."""
    while True:
        due = time.perf_counter() + _LOOK_SECONDS
        await asyncio.sleep(_LOOK_SECONDS)
        LOOP_DELAY.record(max(0.0, time.perf_counter() - due))
