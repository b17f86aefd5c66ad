"""One sweep over all policies, in batches that each stand or fall whole; and the loop round it.

Whatever ends a sweep, the next goes on: first with what was removed and not yet audited, then with what was not yet
removed, then with what has become due since.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
import structlog
from opentelemetry.trace import SpanKind

from services.retention import domain, metrics
from services.retention.domain import Kind, Run
from services.retention.publish import outgoing
from services.retention.settings import Settings
from services.retention.store import audit, records, rules, runs
from services.retention.store.rules import Connection
from shared import tracing
from shared.clock import now
from shared.kafka import Outgoing

Publish = Callable[[Iterable[Outgoing]], Awaitable[None]]
Progress = Callable[[Run, int], None]
"""Hears of each batch: its run, and how many records it removed."""
Remove = Callable[[Connection, Run, int], Awaitable[Run]]
"""Takes a batch of at most so many records; the run with them gone."""
log = structlog.get_logger()

_TIMED_OUT = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


class AlreadySweeping(Exception):
    """Another process is at it."""


@dataclass(slots=True)
class Swept:
    """The runs whose record is on the log, and those that others' locks or a slow database left to the next sweep."""

    recorded: list[Run] = field(default_factory=list)
    unfinished: list[Run] = field(default_factory=list)


class Sweep:
    """Removes what is due. ``publish`` returns once every replica of the log has the messages."""

    def __init__(self, pool: asyncpg.Pool, publish: Publish, settings: Settings, progress: Progress = lambda _, __: None) -> None:
        self._pool = pool
        self._publish = publish
        self._settings = settings
        self._progress = progress

    async def forever(self) -> None:
        """Sweep, wait, and sweep again; a sweep that fails is logged, and the next goes on."""
        while True:
            try:
                swept = await self.run_once()
                for run in swept.recorded:
                    log.info("removed", site_id=run.site_id, kind=run.kind, count=run.removed, run_id=str(run.run_id))
                result = "unfinished" if swept.unfinished else "done"
            except AlreadySweeping:
                result = "busy"
            except Exception:  # whatever it is, what this sweep left the next takes up
                log.exception("sweep failed")
                result = "failed"
            metrics.sweeps.add(1, {"result": result})
            await asyncio.sleep(_about(self._settings.sweep_interval.total_seconds(), 0.1))

    async def run_once(self) -> Swept:
        """Remove all that is due and have each removal audited. All of it on the one connection that holds the turn.

        :raises AlreadySweeping: another process does.
        :raises aiokafka.errors.KafkaError: the log did not take a record; nothing more is removed until it does.
        """
        swept = Swept()
        async with self._pool.acquire() as db:
            if not await runs.take_turn(db):
                raise AlreadySweeping
            for run in await runs.begun(db):
                await self._carry_out(db, run, swept)
            under_way = {(run.site_id, run.kind) for run in swept.unfinished}
            for policy in await rules.policies(db):
                if (policy.site_id, policy.kind) not in under_way:
                    before = domain.before(policy.keep_days, now())
                    await self._carry_out(db, Run(uuid4(), policy.site_id, policy.kind, before), swept)
        return swept

    async def erase(self, site_id: str, account_id: str) -> Swept:
        """Remove every comment of a person, however young, but for what is held, and have that audited.

        :raises AlreadySweeping: another process sweeps, or has left a removal of this site's comments to be gone on with.
        :raises aiokafka.errors.KafkaError: the log did not take the record; the next sweep sends it.
        """
        async def remove(db: Connection, run: Run, size: int) -> Run:
            return await records.erase(db, run, account_id, size)

        swept = Swept()
        async with self._pool.acquire() as db:
            if not await runs.take_turn(db):
                raise AlreadySweeping
            try:
                await self._carry_out(db, Run(uuid4(), site_id, Kind.COMMENTS, now()), swept, remove)
            except asyncpg.UniqueViolationError:
                raise AlreadySweeping from None
        return swept

    async def _carry_out(self, db: Connection, run: Run, swept: Swept, remove: Remove | None = None) -> None:
        if run.finished_at is None:
            if run.kind is Kind.AUDIT:
                run = await self._drop_months(db, run)
            run, complete = await self._remove_rows(db, run, remove or self._due)
            if not complete:
                swept.unfinished.append(run)
                return
            if not run.removed:
                return
            digest = await audit.digest(db, run) if run.kind is Kind.AUDIT else run.digest
            run = await runs.finish(db, run, digest, now())
        with metrics.tracer.start_as_current_span(metrics.PUBLISH_RUN.name, kind=SpanKind.PRODUCER):
            await self._publish([outgoing(run, tracing.sent())])
        await runs.recorded(db, run, now())
        metrics.recorded.add(1, {"kind": run.kind})
        swept.recorded.append(run)

    async def _remove_rows(self, db: Connection, run: Run, remove: Remove) -> tuple[Run, bool]:
        """The run with all gone that ``remove`` finds; False, if that could not be."""
        size = self._settings.batch_rows
        while True:
            try:
                after = await self._batch(db, run, size, remove)
            except _TIMED_OUT as error:
                metrics.timeouts.add(1, {"kind": run.kind})
                log.warning("batch given up", site_id=run.site_id, kind=run.kind, count=size, error=type(error).__name__)
                if size == 1:
                    return run, False
                size //= 2
            else:
                removed, run = after.removed - run.removed, after
                if removed < size:
                    return run, True
            await asyncio.sleep(_about(self._settings.pause_seconds, 0.5))

    @staticmethod
    async def _due(db: Connection, run: Run, size: int) -> Run:
        """The run with a batch of what is due gone."""
        limit = domain.limit(run, await rules.keep_days(db, run.site_id, run.kind), now())
        remove = audit.remove if run.kind is Kind.AUDIT else records.remove
        return run if limit is None else await remove(db, run, limit, size)

    async def _batch(self, db: Connection, run: Run, size: int, remove: Remove) -> Run:
        started = time.perf_counter()
        async with db.transaction():
            await runs.bound(db, self._settings.statement_seconds, self._settings.lock_seconds)
            after = await remove(db, run, size)
            if after != run:
                await runs.save(db, after)
        metrics.batch_seconds.record(time.perf_counter() - started, {"kind": run.kind})
        self._tell(run, after)
        return after

    async def _drop_months(self, db: Connection, run: Run) -> Run:
        """The run with the months gone that nothing else is in.

        One that cannot be dropped in time goes by rows, and then, empty, with the next sweep.
        """
        for month in await audit.months(db, run.before):
            try:
                run = await self._drop_month(db, run, month)
            except (*_TIMED_OUT, asyncpg.RaiseError) as error:
                metrics.timeouts.add(1, {"kind": run.kind})
                log.warning("month not dropped", site_id=run.site_id, kind=run.kind, error=type(error).__name__)
        return run

    async def _drop_month(self, db: Connection, run: Run, month: audit.Month) -> Run:
        async with db.transaction():
            await runs.bound(db, self._settings.month_seconds, self._settings.lock_seconds)
            limit = domain.limit(run, await rules.keep_days(db, run.site_id, run.kind), now())
            if limit is None or month.end > limit or not await audit.whole(db, run.site_id, month):
                return run
            after = await audit.drop(db, run, month)
            if after != run:
                await runs.save(db, after)
        metrics.months.add(1)
        self._tell(run, after)
        return after

    def _tell(self, run: Run, after: Run) -> None:
        if removed := after.removed - run.removed:
            metrics.removed.add(removed, {"kind": run.kind})
            self._progress(after, removed)


def _about(seconds: float, spread: float) -> float:
    """So long, more or less."""
    return seconds * random.uniform(1 - spread, 1 + spread)  # noqa: S311 - spreads load, protects nothing
