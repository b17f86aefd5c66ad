"""The queryable store made again, or what it lacks, from the archive and from what the log still has.

Entries come in the order in which they were written, so that every chain has the same hashes again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.audit_fanout.archived import Archived, Segment
from services.audit_fanout.consume import Consumer
from services.audit_fanout.domain import Entry, read
from services.audit_fanout.settings import Settings
from services.audit_fanout.sinks import Store
from services.audit_fanout.store import entries as store
from services.audit_fanout.store import proof
from services.audit_fanout.verify import Verdict, verify
from shared import lookback, postgres
from shared.contracts.envelope import Unreadable
from shared.contracts.topics import EVENTS
from shared.kafka import Record

Notice = Callable[[int, int], None]
"""Hears how many partitions are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many entries and checkpoints were missing, and whether the whole log is now as it was written."""

    added: int
    checkpoints: int
    verdict: Verdict


@dataclass(slots=True)
class _Line:
    """A line of the archive in the shape of a record."""

    partition: int
    offset: int
    topic: str = EVENTS.name
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


async def rebuild(settings: Settings, notice: Notice = lambda _done, _of: None) -> Rebuilt:
    """Add what is missing; nobody else may add meanwhile. After an interruption it can be run again.

    :raises Damaged: a file of the archive is not what was written.
    :raises LogTooShort: neither the archive nor the log has what is missing.
    """
    archived = Archived(settings.archive_url) if settings.archive_url else None
    async with (
        await postgres.connect_pool(settings.database.get_secret_value(), 2, "rebuild") as pool,
        lookback.reader(settings) as reader, pool.acquire() as db,
    ):
        before = await proof.count(db)
        places = await lookback.places(settings, EVENTS)
        for done, place in enumerate(places, 1):
            await _Partition(settings, pool, reader, place, archived).rebuild()
            notice(done, len(places))
        taken = await _checkpoints(db, archived)
        return Rebuilt(await proof.count(db) - before, taken, await verify(db))


class _Partition:
    def __init__(
        self, settings: Settings, pool: asyncpg.Pool, reader: AIOKafkaConsumer, place: TopicPartition, archived: Archived | None,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._reader = reader
        self._place = place
        self._archived = archived
        self._store = Store(pool, settings.write_attempts)

    async def rebuild(self) -> None:
        """The archive first: it has what was read late, out of quarantine, where it was read."""
        segments = [] if self._archived is None else await asyncio.to_thread(self._archived.segments, self._place.partition)
        start = await self._start(segments)
        if self._archived is not None:
            for segment in await self._missing(self._archived, segments):
                await self._write(segment, await asyncio.to_thread(self._archived.entries, segment))
        await self._read(start)

    async def _start(self, segments: Sequence[Segment]) -> int:
        """From where the log is to be read."""
        try:
            return await lookback.start(self._reader, self._place, self._handled)
        except lookback.LogTooShort:
            begin, _ = await lookback.bounds(self._reader, self._place)
            if max((segment.last_offset for segment in segments), default=-1) < begin - 1:
                raise
            return begin

    async def _handled(self, records: Sequence[Record]) -> list[bool | None]:
        entries: list[Entry | None] = []
        for record in records:
            try:
                entries.append(read(record.value, record.headers))
            except Unreadable:
                entries.append(None)
        async with self._pool.acquire() as db:
            there = await store.present(db, [entry for entry in entries if entry is not None])
        return [None if entry is None else entry.event_id in there for entry in entries]

    async def _missing(self, archived: Archived, segments: Sequence[Segment]) -> Sequence[Segment]:
        """The segments from the first on of which the store lacks something."""
        for place in reversed(range(len(segments))):
            entries = await asyncio.to_thread(archived.entries, segments[place])
            async with self._pool.acquire() as db:
                if {entry.event_id for entry in entries} <= await store.present(db, entries):
                    return segments[place + 1:]
        return segments

    async def _write(self, segment: Segment, entries: Sequence[Entry]) -> None:
        record = _Line(self._place.partition, segment.first_offset)
        for first in range(0, len(entries), self._settings.batch_records):
            await self._store.write([(record, entry) for entry in entries[first:first + self._settings.batch_records]])

    async def _read(self, start: int) -> None:
        consumer = Consumer(self._pool, self._store, _nothing, self._settings.quarantine_limit)
        _, end = await lookback.bounds(self._reader, self._place)
        for first in range(start, end, self._settings.batch_records):
            await consumer.handle(await lookback.read(self._reader, self._place, first, min(end, first + self._settings.batch_records)))


async def _nothing(_: dict[TopicPartition, int]) -> None:
    """The sink's group stays where it is: it is never before what it has written."""


async def _checkpoints(db: store.Connection, archived: Archived | None) -> int:
    """Take over the archive's checkpoints that follow on the last there is."""
    if archived is None:
        return 0
    taken, (_, last) = 0, await store.ends(db)
    number = 0 if last is None else last.number
    for checkpoint in await asyncio.to_thread(archived.checkpoints):
        if checkpoint.number == number + 1 + taken:
            taken += await store.add_checkpoint(db, checkpoint)
    return taken
