"""The log: brokers, batch subscribers, acknowledged publishing and topics.

FastStream subscribes and runs the handlers. Three of its conveniences are switched off on purpose: records arrive raw,
so that one bad header or body cannot fail its neighbours; offsets are committed by hand, last of all; and handlers have
no dependencies injected, for which it would start a thread's work for every batch.
"""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import stamina
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, TopicAlreadyExistsError, for_code
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from shared.clients import client, security
from shared.contracts.envelope import Headers
from shared.contracts.topics import TOPICS, Topic
from shared.settings import ServiceSettings


class Record(Protocol):
    """A raw record, as aiokafka hands it over."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class PoisonStorm(Exception):
    """So many records cannot be handled that it is no longer about them: whoever writes or reads them is broken."""


Handler = Callable[[Sequence[Record]], Awaitable[None]]
_POLL_MS = 5
"""An empty poll sleeps as long again, so twice this is what an idle consumer adds to a record's way."""
_HEARTBEAT_MS = 500
"""A member hears with its next heartbeat that another came or left; until then the partitions of one that left stand still."""


def connect(settings: ServiceSettings, service: str, request_seconds: float = 10, *, publishes: bool = True) -> KafkaBroker:
    """A broker that publishes only with every replica's acknowledgement; a fetch may wait less than ``request_seconds``.

    One that ``publishes`` nothing asks for no idempotent producer, which a secured broker gives only to those who may write.
    """
    return KafkaBroker(
        settings.kafka.split(","), client_id=f"approvalflow-{service}", security=security(settings), acks="all",
        enable_idempotence=settings.kafka_idempotent and publishes, logger=None, graceful_timeout=settings.drain_seconds,
        request_timeout_ms=int(request_seconds * 1000), apply_types=False,
    )


async def parser(records: Sequence[Record]) -> KafkaMessage:
    """A batch is one message to FastStream, named after its first record."""
    first = records[0]
    return KafkaMessage(body=b"", raw_message=tuple(records), message_id=f"{first.partition}-{first.offset}",
                        correlation_id=f"{first.partition}-{first.offset}", consumer=FAKE_CONSUMER)


async def decoder(message: KafkaMessage) -> Sequence[Record]:
    """The records as they are."""
    records: Sequence[Record] = message.raw_message
    return records


def subscribe(
    broker: KafkaBroker, topic: Topic, group: str, handler: Handler, *, max_records: int, listener: Any = None,
    patience: float | None = 60.0, waits_for: tuple[type[Exception], ...] = (), fetch_min_bytes: int = 1,
    fetch_max_wait_ms: int = 500, pace: float = 0.0, around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Any:
    """Hand batches of raw records to ``handler``; returns the subscriber, whose ``consumer`` commits.

    A batch that fails is tried again for ``patience`` seconds, and for as long as it takes where the error is one of
    ``waits_for``: while the database is away, nothing else could be done. After that the process is told to stop with
    nothing committed, so the batch comes again; it never goes on past records it did not handle. Without an end to its
    patience a group tries for ever, and holds up no other of its process. A poison storm is not tried again at
    all. All tries of a batch are in one ``around``.

    Batches that are not full begin at least ``pace`` seconds apart, since each costs as much as many records do.
    """
    subscriber = broker.subscriber(
        topic.name, batch=True, group_id=group, ack_policy=AckPolicy.MANUAL, auto_offset_reset="earliest",
        max_records=max_records, batch_timeout_ms=_POLL_MS, fetch_min_bytes=fetch_min_bytes,
        fetch_max_wait_ms=fetch_max_wait_ms, max_partition_fetch_bytes=1 << 19,
        heartbeat_interval_ms=_HEARTBEAT_MS, parser=parser, decoder=decoder, listener=listener,
    )

    @subscriber
    async def on_batch(records: Sequence[Any]) -> None:
        again, next_at = _Patience(patience, waits_for), time.monotonic() + pace
        try:
            with around():
                async for attempt in stamina.retry_context(on=again.for_, attempts=None, timeout=None, wait_max=5):
                    with attempt:
                        await handler(records)
            if len(records) < max_records:
                await asyncio.sleep(next_at - time.monotonic())
        except Exception:  # noqa: BLE001 - logged, and the process stops
            structlog.get_logger().exception("batch failed", topic=topic.name, group=group)
            signal.raise_signal(signal.SIGTERM)
            await asyncio.Event().wait()

    return subscriber


class _Patience:
    """Which errors are worth another try: for ``seconds`` from the first that is not waited out."""

    def __init__(self, seconds: float | None, waits_for: tuple[type[Exception], ...]) -> None:
        self._seconds = seconds
        self._waits_for = waits_for
        self._until: float | None = None

    def for_(self, error: Exception) -> bool:
        """Is it?"""
        if isinstance(error, PoisonStorm):
            return False
        if self._seconds is None or isinstance(error, self._waits_for):
            self._until = None
            return True
        self._until = self._until or time.monotonic() + self._seconds
        return time.monotonic() < self._until


def positions(records: Iterable[Record]) -> dict[TopicPartition, int]:
    """The offsets to commit once these records are handled: one past the last of each partition."""
    following = {(record.topic, record.partition): record.offset + 1 for record in records}
    return {TopicPartition(*place): offset for place, offset in following.items()}


async def commit(consumer: Any, offsets: dict[TopicPartition, int]) -> None:
    """Commit the offsets of partitions that are still this member's; whoever has the others now commits for itself.

    In the middle of a rebalance nobody may commit. Trying again would wait for the next one, and the records come again
    without harm, so the batch is done with.
    """
    mine = {place: offset for place, offset in offsets.items() if place in consumer.assignment()}
    if mine:
        try:
            await consumer.commit(mine)
        except CommitFailedError:
            structlog.get_logger().warning("not committed in a rebalance", count=len(mine))


class Outgoing(NamedTuple):
    """A message ready for the wire. Without a partition, the key chooses it."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers
    partition: int | None = None


class BatchPublisher:
    """Publishes many messages with few requests: they are appended to one producer batch for each partition.

    Sending one by one costs more Python for each message than deciding it does.
    """

    def __init__(self, settings: ServiceSettings, service: str) -> None:
        self._producer = AIOKafkaProducer(
            **client(settings, f"{service}-batches"), acks="all", enable_idempotence=settings.kafka_idempotent,
            max_batch_size=1 << 19, request_timeout_ms=10_000,
        )

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def stop(self) -> None:
        """Flush and disconnect."""
        await self._producer.stop()

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        """Publish all and wait for the acknowledgement of each; those of one partition keep their order."""
        lanes: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        keyed: list[Outgoing] = []
        for message in messages:
            if message.partition is None:
                keyed.append(message)
            else:
                lanes[message.topic, message.partition].append(message)
        await asyncio.gather(
            *(self._send(topic, partition, lane) for (topic, partition), lane in lanes.items()), self._send_keyed(keyed)
        )

    async def _send_keyed(self, messages: Sequence[Outgoing]) -> None:
        futures = [await self._producer.send(m.topic, m.value, key=m.key, headers=m.headers) for m in messages]
        await asyncio.gather(*futures)

    async def _send(self, topic: str, partition: int, lane: Sequence[Outgoing]) -> None:
        futures = []
        batch = self._producer.create_batch()
        for message in lane:
            if batch.append(key=message.key, value=message.value, timestamp=None, headers=message.headers) is None:
                futures.append(await self._producer.send_batch(batch, topic, partition=partition))
                batch = self._producer.create_batch()
                if batch.append(key=message.key, value=message.value, timestamp=None, headers=message.headers) is None:
                    # too large for a batch of its own: it goes alone
                    futures.append(await self._producer.send(
                        topic, message.value, key=message.key, partition=partition, headers=message.headers,
                    ))
        if batch.record_count():
            futures.append(await self._producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*futures)


async def create_topics(settings: ServiceSettings, partitions: int, replication: int = 1) -> list[str]:
    """Create the topics that are missing, and wait until each partition has a leader; returns the names of all."""
    admin = AIOKafkaAdminClient(**client(settings, "topics"))
    await admin.start()
    try:
        wanted = [
            NewTopic(t.name, partitions, replication, topic_configs={"retention.ms": str(t.retention_ms)}) for t in TOPICS
        ]
        response = await admin.create_topics(wanted)
        for _, code, *_rest in response.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise for_code(code)
    except TopicAlreadyExistsError:
        pass
    else:
        async with asyncio.timeout(30):
            while not await _led(admin, [t.name for t in TOPICS]):
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    return [t.name for t in TOPICS]


async def _led(admin: AIOKafkaAdminClient, names: list[str]) -> bool:
    found = await admin.describe_topics(names)
    return all(t["partitions"] and all(p["leader"] >= 0 for p in t["partitions"]) for t in found)
