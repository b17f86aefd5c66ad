"""Events in: each sink reads ``events.v1`` for itself, writes, and only then commits its own offset."""

import time
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog
from aiokafka import TopicPartition

from services.audit_fanout import metrics
from services.audit_fanout.domain import Entry, read
from services.audit_fanout.sinks import Events, Sink
from services.audit_fanout.store import quarantine
from services.audit_fanout.store.entries import Connection
from shared import tracing
from shared.clock import now
from shared.contracts.envelope import Unreadable
from shared.contracts.events import QuarantineReleased
from shared.contracts.reasons import Reason
from shared.contracts.topics import TYPE_OF
from shared.kafka import PoisonStorm, Record, positions

Commit = Callable[[dict[TopicPartition, int]], Awaitable[None]]
log = structlog.get_logger()
_RELEASED = TYPE_OF[QuarantineReleased].type


class Consumer:
    """Handles batches for one sink. A crash anywhere brings the batch again, and writing it again changes nothing."""

    def __init__(self, pool: asyncpg.Pool, sink: Sink, commit: Commit, quarantine_limit: int = 1000) -> None:
        self._pool = pool
        self._sink = sink
        self._commit = commit
        self._quarantine_limit = quarantine_limit

    async def handle(self, records: Sequence[Record]) -> None:
        """Read a batch, write it to the sink, and only then commit its offsets."""
        started, label, began = time.perf_counter(), {"sink": self._sink.name}, tracing.moment()
        events = await self._read(records)
        if events:
            await self._sink.write(events)
            oldest = min(entry.occurred_at for _, entry in events)
            metrics.age_seconds.record(max(0.0, (now() - oldest).total_seconds()), label)
            tell(self._sink.span, began, events)
        await self._commit(positions(records))
        metrics.recorded.add(len(events), label)
        metrics.sink_seconds.record(time.perf_counter() - started, label)

    async def _read(self, records: Sequence[Record]) -> list[tuple[Record, Entry]]:
        """The entries of these records; a release brings those that were kept under its key, before its own."""
        events: list[tuple[Record, Entry]] = []
        for record in records:
            try:
                entry = read(record.value, record.headers)
            except Unreadable as error:
                await self._hold(record, str(error))
                continue
            if entry.event_type == _RELEASED:
                async with self._pool.acquire() as db:
                    events += [(record, kept) for kept in await released(db, record)]
            events.append((record, entry))
        return events

    async def _hold(self, record: Record, detail: str) -> None:
        async with self._pool.acquire() as db, db.transaction():
            await quarantine.hold(db, record, Reason.MALFORMED.value, detail)
            if await quarantine.waiting(db) > self._quarantine_limit:
                raise PoisonStorm
        metrics.quarantined.add(1, {"sink": self._sink.name})
        log.warning("quarantined", topic=record.topic, partition=record.partition, offset=record.offset,
                    reason=Reason.MALFORMED.value, sink=self._sink.name)


def tell(span: tracing.Kind, began: int, events: Events) -> None:
    """Trace events written since ``began``."""
    def describe(place: int) -> tracing.Attributes:
        record, entry = events[place]
        return {
            "messaging.destination.name": record.topic, "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset, "approvalflow.command_id": str(entry.event_id),
        }

    tracing.batch(metrics.tracer, span, began, [tracing.header(record.headers) for record, _ in events], describe)


async def released(db: Connection, record: Record) -> list[Entry]:
    """What was kept under a record's key and can be read by now."""
    entries: list[Entry] = []
    for kept in await quarantine.held(db, [quarantine.key_text(record.key)]):
        try:
            entries.append(read(kept.value, kept.headers))
        except Unreadable:
            continue
        await quarantine.release(db, kept)
    return entries
