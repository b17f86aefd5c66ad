"""The protocol: parse, read, decide, write, publish, commit."""

import time
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog
from aiokafka import TopicPartition

from services.decision import metrics
from services.decision.engine import Engine, Settled
from services.decision.parse import Part, parts, split
from services.decision.publish import outgoing
from services.decision.release import Release
from services.decision.store import quarantine
from services.decision.store.quarantine import Held
from shared.clock import now
from shared.contracts.reasons import Reason
from shared.kafka import BatchPublisher, Record, positions

Commit = Callable[[dict[TopicPartition, int]], Awaitable[None]]
log = structlog.get_logger()


class Consumer:
    """Handles batches of ``intake.v1``. A crash anywhere brings the batch again, and every step has the same effect."""

    def __init__(self, pool: asyncpg.Pool, engine: Engine, publisher: BatchPublisher, commit: Commit) -> None:
        self._pool = pool
        self._engine = engine
        self._publisher = publisher
        self._commit = commit
        self._release = Release(pool, engine)

    async def handle(self, records: Sequence[Record]) -> None:
        """Settle a batch polled, tell of it, and only then commit its offsets."""
        started = time.perf_counter()
        for part in parts(records):
            if part.release:
                settled, released = await self._release.settle(part)
                await self._publish(settled)
                await self._forget(released)
            else:
                await self._publish(await self._settle(part))
        await self._commit(positions(records))
        metrics.batch_seconds.record(time.perf_counter() - started)

    async def _settle(self, part: Part) -> Settled:
        if not part.records:
            return []
        async with self._pool.acquire() as db:
            part.hold_back(await quarantine.blocked(db, part.keys()))
        about_sites, about_pages = split(part.items)
        settled: Settled = []
        for item in about_sites:
            outcome = await self._engine.settle_site(item)
            if outcome is not None:
                settled.append((item, outcome))
        decided, failed = await self._engine.settle_pages(about_pages)
        part.held += [part.held_form(item, Reason.UNHANDLED, what) for item, what in failed]
        await self._hold(part)
        if about_pages:
            metrics.age_seconds.record(max(0.0, (now() - about_pages[0].envelope.time).total_seconds()))
        return settled + decided

    async def _hold(self, part: Part) -> None:
        if not part.held:
            return
        async with self._pool.acquire() as db:
            await quarantine.add(db, sorted(part.held, key=lambda h: (h.partition, h.offset)))
        for held in part.held:
            metrics.quarantined.add(1, {"reason": held.reason.value})
            log.warning("quarantined", topic=held.topic, partition=held.partition, offset=held.offset,
                        reason=held.reason.value)

    async def _forget(self, released: Sequence[Held]) -> None:
        if released:
            async with self._pool.acquire() as db:
                await quarantine.drop(db, released)

    async def _publish(self, settled: Settled) -> None:
        started = time.perf_counter()
        await self._publisher.publish(message for item, stored in settled for message in outgoing(item, stored))
        metrics.publish_seconds.record(time.perf_counter() - started)
        counts: dict[str, int] = {}
        for _, stored in settled:
            counts[stored.reason or "applied"] = counts.get(stored.reason or "applied", 0) + 1
        for reason, count in counts.items():
            metrics.outcomes.add(count, {"reason": reason})
