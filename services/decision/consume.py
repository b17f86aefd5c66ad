"""The protocol: parse, read, decide, write, publish, commit."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

import asyncpg
import structlog
from aiokafka import TopicPartition

from services.decision import metrics
from services.decision.domain.batch import Item
from services.decision.engine import Engine, Settled
from services.decision.parse import Part, lanes, parts
from services.decision.publish import messages, tell
from services.decision.release import Release
from services.decision.store import quarantine
from shared.clock import now
from shared.contracts.reasons import Reason
from shared.kafka import BatchPublisher, PoisonStorm, Record, positions

Commit = Callable[[dict[TopicPartition, int]], Awaitable[None]]
log = structlog.get_logger()


class Consumer:
    """Handles batches of ``intake.v1``. A crash anywhere brings the batch again, and every step has the same effect."""

    def __init__(
        self, pool: asyncpg.Pool, engine: Engine, publisher: BatchPublisher, commit: Commit, part_records: int = 500,
        lane_count: int = 4, quarantine_limit: int = 1000,
    ) -> None:
        self._pool = pool
        self._engine = engine
        self._publisher = publisher
        self._commit = commit
        self._part_records = part_records
        self._lane_count = lane_count
        self._quarantine_limit = quarantine_limit
        self._release = Release(pool, engine)

    async def handle(self, records: Sequence[Record]) -> None:
        """Settle a batch polled, tell of it, and only then commit its offsets.

        Partitions have no order between them, so they are settled in lanes side by side: while one lane waits for the
        database or the broker, another decides. Whichever fails, nothing of the batch is committed.
        """
        async def settle(lane: Sequence[Record]) -> None:
            for part in parts(lane, self._part_records):
                pages = await self._prepare(part)
                seen = await self._engine.read(pages)
                batch = self._engine.decide(pages, seen)
                settled, failed = await self._engine.write(batch)
                part.hold_failed(failed)
                await self._hold(part)
                await self._publish(part, settled)

        started = time.perf_counter()
        await _together(settle(lane) for lane in lanes(records, self._lane_count, self._part_records))
        await self._commit(positions(records))
        metrics.batch_seconds.record(time.perf_counter() - started)

    async def _prepare(self, part: Part) -> list[Item]:
        """See to all that is not about pages; returns the pages' items that need not wait."""
        if part.release is not None:
            part.settled, part.released = await self._release.settle(part.release)
        elif part.records:
            async with self._pool.acquire() as db:
                part.hold_back(await quarantine.blocked(db, part.keys()))
            part.settled, failed = await self._engine.settle_sites(part.sites)
            part.hold_failed(failed)
        if part.pages:
            metrics.age_seconds.record(max(0.0, (now() - part.pages[0].envelope.time).total_seconds()))
        return part.pages

    async def _hold(self, part: Part) -> None:
        if not part.held:
            return
        async with self._pool.acquire() as db, db.transaction():
            await quarantine.add(db, sorted(part.held, key=lambda h: (h.partition, h.offset)))
            causes = any(held.reason is not Reason.WAITING for held in part.held)
            if causes and await quarantine.causes(db) > self._quarantine_limit:
                raise PoisonStorm
        for held in part.held:
            metrics.quarantined.add(1, {"reason": held.reason.value})
            log.warning("quarantined", topic=held.topic, partition=held.partition, offset=held.offset,
                        reason=held.reason.value)

    async def _publish(self, part: Part, decided: Settled) -> None:
        started = time.perf_counter()
        settled = part.settled + decided
        await self._publisher.publish(messages(settled, tell(part.began, settled)))
        metrics.publish_seconds.record(time.perf_counter() - started)
        if part.released:
            async with self._pool.acquire() as db:
                await quarantine.drop(db, part.released)
        for reason, count in Counter(stored.reason or "applied" for _, stored in settled).items():
            metrics.outcomes.add(count, {"reason": str(reason)})


async def _together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all side by side; the first error ends the others, and is raised once they have ended."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
