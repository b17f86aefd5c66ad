"""Steps two to four: read once, decide, write once; what lost a race is read and decided again, bounded."""

import time
from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from services.decision import metrics
from services.decision.domain import site as site_domain
from services.decision.domain import workflow as workflow_domain
from services.decision.domain.batch import Batch, Item, Stored, decide_batch, store_form
from services.decision.domain.known import Of, needs
from services.decision.domain.result import Cause
from services.decision.store import directory, pages, sites
from services.decision.store.sites import LostRace
from shared.clock import now
from shared.contracts.commands import RecordDecision, WorkflowCommand

Settled = list[tuple[Item, Stored]]
Failed = list[tuple[Item, str]]

_RACES = (
    asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError, LostRace,
)


class TooManyRaces(Exception):
    """Another writer was first too many times in a row; the batch comes again."""


class Engine:
    """Turns readable records into stored outcomes."""

    def __init__(self, pool: asyncpg.Pool, facts_max_age: timedelta, attempts: int) -> None:
        self._pool = pool
        self._max_age = facts_max_age
        self._attempts = attempts
        self._definitions: directory.Definitions = {}

    async def settle_pages(self, items: Sequence[Item]) -> tuple[Settled, Failed]:
        """Give each item about a page its one outcome, with a constant number of round trips for all of them."""
        settled: Settled = []
        failed: Failed = []
        pending = list(items)
        for _ in range(self._attempts):
            if not pending:
                return settled, failed
            batch = await self._read_and_decide(pending)
            try:
                lost = await self._write(batch)
            except _RACES:
                metrics.conflicts.add(len(batch.changes))
                continue
            metrics.conflicts.add(len(lost))
            settled += [pair for pair in batch.results if _at(pair[0]) not in lost]
            failed += [pair for pair in batch.failed if _at(pair[0]) not in lost]
            pending = [item for item in pending if _at(item) in lost]
        if pending:
            raise TooManyRaces
        return settled, failed

    async def _read_and_decide(self, items: Sequence[Item]) -> Batch:
        wanted: dict[Of, set[str]] = {}
        for item in items:
            voters = wanted.setdefault(_at(item), set())
            if isinstance(item.data, RecordDecision) and item.data.caller.account_id is not None:
                voters.add(item.data.caller.account_id)
        async with self._pool.acquire() as db:
            stored = await pages.read_outcomes(db, {item.envelope.id for item in items})
            known_pages = await pages.read_pages(db, wanted)
            fresh = [item.data for item in items if item.envelope.id not in stored]
            known = await directory.load(db, needs(fresh, known_pages), self._definitions)
        at = now()
        return decide_batch(items, known_pages, stored, known, at - self._max_age, at)

    async def _write(self, batch: Batch) -> set[Of]:
        changes = [change for change in batch.changes.values() if change.outcomes]
        if not changes:
            return set()
        started = time.perf_counter()
        async with self._pool.acquire() as db, db.transaction():
            landed = await pages.write_pages(db, changes)
        metrics.write_seconds.record(time.perf_counter() - started)
        return {(c.read.site_id, c.read.page_id) for c in changes} - landed

    async def settle_site(self, item: Item) -> Stored | None:
        """Give one item about a site, a space, a group or a workflow its outcome; None if it tells nothing new."""
        for _ in range(self._attempts):
            try:
                async with self._pool.acquire() as db, db.transaction():
                    return await self._site(db, item)
            except _RACES:
                metrics.conflicts.add(1)
        raise TooManyRaces

    async def _site(self, db: pages.Connection, item: Item) -> Stored | None:
        at, message, id_ = now(), item.data, item.envelope.id
        stored = (await pages.read_outcomes(db, [id_])).get(id_)
        if stored is not None:
            return stored
        cause = Cause(id_, message.caller.account_id)
        if isinstance(message, WorkflowCommand):
            workflow, known = await sites.lock_workflow(db, message, at - self._max_age)
            decided = workflow_domain.decide(message, cause, workflow, known, at)
            outcome = store_form(item, decided, at)
            if outcome.reason is None:
                await sites.write_workflow(db, decided.state)
        else:
            told = site_domain.decide(message, cause, await sites.present(db, message), at)
            if told is None:
                return None
            outcome = store_form(item, told, at)
            if outcome.reason is None:
                await sites.write_fact(db, message)
        await sites.write_outcome(db, outcome)
        return outcome


def _at(item: Item) -> Of:
    return item.data.site_id, item.data.page_id
