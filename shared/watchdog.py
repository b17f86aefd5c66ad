"""Notices a consumer that fell silent: records wait for it on the log, nothing is being handled, and it does not move."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from opentelemetry.metrics import Counter

from shared import metrics
from shared.clients import client
from shared.process import background
from shared.settings import ServiceSettings

Positions = Mapping[TopicPartition, int]
_LOOKS = 20
"""How often it looks in the time after which a consumer counts as stalled."""


class Watchdog:
    """Ends the process, by SIGTERM, when a partition's records wait for ``seconds`` and its position does not move.

    Where the log ends is asked over a connection of its own, since a consumer that is stuck would not know. Only looks
    that found the broker there and no handler running count, so an idle consumer, a long handler, a broker that is away
    and a process that slept are no stalls.
    """

    def __init__(self, settings: ServiceSettings, group: str, seconds: float, stalls: Counter) -> None:
        self.stalled = False
        self._stalls = stalls
        self._client = client(settings, "watchdog")
        self._seconds = seconds
        self._group = group
        self._handling = 0
        self._looks: dict[TopicPartition, tuple[int, int]] = {}
        self._seen: dict[TopicPartition, tuple[int, int]] = {}

    @contextmanager
    def handling(self) -> Iterator[None]:
        """A handler runs for the length of the block."""
        self._handling += 1
        try:
            yield
        finally:
            self._handling -= 1

    @asynccontextmanager
    async def watching(self, consumer: Callable[[], AIOKafkaConsumer | None]) -> AsyncIterator[None]:
        """Watch for the length of the block, and show how far each partition is and what waits."""
        with metrics.LAG.shows(self._lags), metrics.POSITION.shows(self._positions):
            async with background(asyncio.create_task(self._watch(consumer)), 1):
                yield

    def _lags(self) -> Iterable[tuple[float, metrics.Labels]]:
        return [(max(0, end - position), self._labels(place)) for place, (position, end) in self._seen.items()]

    def _positions(self) -> Iterable[tuple[float, metrics.Labels]]:
        return [(position, self._labels(place)) for place, (position, _) in self._seen.items()]

    def _labels(self, place: TopicPartition) -> metrics.Labels:
        return {"group": self._group, "partition": place.partition}

    async def _watch(self, consumer: Callable[[], AIOKafkaConsumer | None]) -> None:
        while not self.stalled:
            try:
                async with _reader(self._client) as reader:
                    while not self.stalled:
                        await asyncio.sleep(self._seconds / _LOOKS)
                        await self._look(consumer(), reader)
            except (KafkaError, OSError):
                self._looks.clear()
                self._seen.clear()
                await asyncio.sleep(self._seconds / _LOOKS)

    async def _look(self, consumer: AIOKafkaConsumer | None, reader: AIOKafkaConsumer) -> None:
        places = sorted(consumer.assignment()) if consumer is not None else []
        reached = await asyncio.gather(*(_position(consumer, place) for place in places))
        ends = await reader.end_offsets(places) if places else {}
        for place in self.note(dict(zip(places, reached, strict=True)), ends):
            self._end(place)

    def note(self, reached: Positions, ends: Positions) -> list[TopicPartition]:
        """Take in one look; the partitions that have been silent for too long."""
        before, self._looks = self._looks, {}
        self._seen = {place: (position, ends[place]) for place, position in reached.items()}
        for place, position in reached.items():
            at, looks = before.get(place, (None, 0))
            if position < ends[place]:
                self._looks[place] = position, looks + (not self._handling) if position == at else 0
        return [place for place, (_, looks) in self._looks.items() if looks >= _LOOKS]

    def _end(self, place: TopicPartition) -> None:
        self.stalled = True
        self._stalls.add(1, {"group": self._group})
        structlog.get_logger().error("consumer stalled", group=self._group, topic=place.topic, partition=place.partition,
                                     position=self._looks[place][0], seconds=self._seconds)
        signal.raise_signal(signal.SIGTERM)


async def _position(consumer: AIOKafkaConsumer, place: TopicPartition) -> int:
    """Where it reads on; -1 while it has not found out."""
    try:
        async with asyncio.timeout(1):
            return int(await consumer.position(place))
    except TimeoutError:
        return -1


@asynccontextmanager
async def _reader(client: Mapping[str, Any]) -> AsyncIterator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(**client, request_timeout_ms=5000, enable_auto_commit=False)
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop()
