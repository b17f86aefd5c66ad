"""Outcomes for callers who wait: this process follows its own partition of ``replies.v1`` from now on."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import structlog
from aiokafka import TopicPartition as Position
from faststream.kafka import KafkaBroker, TopicPartition

from services.command import metrics
from shared import kafka, tracing
from shared.contracts.envelope import Envelope, Unreadable, parse
from shared.contracts.replies import Outcome
from shared.contracts.topics import REPLIES


class Waiting:
    """Who waits for which command. Every one who waits for an outcome gets it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._futures: dict[str, set[asyncio.Future[Outcome | None]]] = defaultdict(set)
        self._stopped = False

    @asynccontextmanager
    async def for_outcome(self, command_id: UUID, wanted: bool) -> AsyncIterator[asyncio.Future[Outcome | None] | None]:
        """A future for the command's outcome; None if not wanted, or too many wait already. Ask before publishing."""
        if not wanted or self._stopped or self._count >= self._limit:
            yield None
            return
        key, future = str(command_id), asyncio.get_running_loop().create_future()
        self._futures[key].add(future)
        self._count += 1
        try:
            yield future
        finally:
            self._count -= 1
            self._futures[key].discard(future)
            if not self._futures[key]:
                del self._futures[key]

    def settle(self, outcome: Outcome) -> None:
        """Wake those who wait for it."""
        _wake(self._futures.get(outcome.command_id, ()), outcome)

    def stop(self) -> None:
        """Wake everyone without an outcome: the process is about to end."""
        self._stopped = True
        for futures in self._futures.values():
            _wake(futures, None)

    def on_records(self, records: Sequence[kafka.Record]) -> None:
        """Read replies; one that cannot be read is reported and passed over, since its outcome is stored anyway."""
        began, read = tracing.moment(), list[Envelope]()
        for record in records:
            try:
                envelope = parse(REPLIES, record.value, tuple(record.headers))
            except Unreadable:
                structlog.get_logger().warning(
                    "reply unreadable",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )
                continue
            if isinstance(envelope.data, Outcome):
                self.settle(envelope.data)
                read.append(envelope)
        tracing.batch(metrics.tracer, metrics.RECEIVE, began, [envelope.traceparent for envelope in read],
                      lambda place: {"approvalflow.command_id": str(read[place].id)})


def _wake(futures: Iterable[asyncio.Future[Outcome | None]], outcome: Outcome | None) -> None:
    for future in futures:
        if not future.done():
            future.set_result(outcome)


def follow(broker: KafkaBroker, partition: int, waiting: Waiting) -> Any:
    """Subscribe, outside any group and from the latest record, since earlier outcomes have nobody waiting."""
    subscriber = broker.subscriber(
        partitions=[TopicPartition(REPLIES.name, partition, declare=False)],
        batch=True,
        auto_offset_reset="latest",
        max_records=1000,
        batch_timeout_ms=10,
        fetch_max_wait_ms=500,
        parser=kafka.parser,
        decoder=kafka.decoder,
    )

    @subscriber
    async def on_replies(records: Sequence[Any]) -> None:
        waiting.on_records(records)

    return subscriber


async def positioned(subscriber: Any, partition: int) -> None:
    """Wait until the place to read from is known, so that no reply to a later command can be missed."""
    async with asyncio.timeout(10):
        await subscriber.consumer.position(Position(REPLIES.name, partition))
