"""Steps two to four: read once, decide, write once; what lost a race is read and decided again, bounded."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from services.decision import metrics
from services.decision.domain import site as site_domain
from services.decision.domain import workflow as workflow_domain
from services.decision.domain.batch import Batch, Item, PageChange, Seen, Stored, decide_batch, store_form
from services.decision.domain.known import Directory, Of, group_voters, needs, with_voters
from services.decision.domain.result import Cause
from services.decision.store import directory, pages, sites
from services.decision.store.sites import LostRace
from shared.clock import now
from shared.contracts.commands import WorkflowCommand

Settled = list[tuple[Item, Stored]]
Failed = list[tuple[Item, str]]

_RACES = (
    asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError, LostRace,
)
_UNSTORABLE = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, OverflowError)
"""What the database will never take, however often it is asked; a race is told apart first."""


class Engine:
    """Turns readable records into stored outcomes."""

    def __init__(self, pool: asyncpg.Pool, facts_max_age: timedelta, attempts: int) -> None:
        self._pool = pool
        self._max_age = facts_max_age
        self._attempts = attempts
        self._definitions: directory.Definitions = {}

    async def settle_pages(self, items: Sequence[Item]) -> tuple[Settled, Failed]:
        """Give each item about a page its one outcome, with a constant number of round trips for all of them."""
        return await self.write(self.decide(items, await self.read(items)))

    async def read(self, items: Sequence[Item]) -> Seen:
        """Read once all that deciding these items takes."""
        if not items:
            return Seen({}, {}, Directory())
        async with self._pool.acquire() as db:
            stored = await pages.read_outcomes(db, {item.envelope.id for item in items})
            known_pages = await pages.read_pages(db, {_at(item) for item in items})
            fresh = [item.data for item in items if item.envelope.id not in stored]
            directory_ = await directory.load(db, needs(fresh, known_pages), self._definitions)
            if asked := group_voters(fresh, directory_):
                known_pages = with_voters(known_pages, await pages.read_voters(db, asked))
        return Seen(known_pages, stored, directory_)

    def decide(self, items: Sequence[Item], seen: Seen, at: datetime | None = None) -> Batch:
        """Decide each item in log order, at the present time unless another is given."""
        at = at or now()
        return decide_batch(items, seen, at - self._max_age, at)

    async def write(self, batch: Batch) -> tuple[Settled, Failed]:
        """Write what was decided; what lost a race is read and decided again, at last each item by itself.

        An item that loses every race even so has something against it that is no race, and is among those that failed.
        """
        settled: Settled = []
        failed: Failed = []
        for _ in range(self._attempts):
            try:
                landed = await self._write_once([change for change in batch.changes.values() if change.outcomes])
            except _UNSTORABLE as error:
                apart, bad = await self._one_by_one(batch.items, type(error).__name__)
                return settled + apart, failed + bad
            lost = {at for at, change in batch.changes.items() if change.outcomes} - landed
            stand = [pair for pair in batch.results if _at(pair[0]) not in lost] if lost else batch.results
            metrics.conflicts.add(len(lost))
            metrics.duplicates.add(len(stand) - sum(len(batch.changes[at].outcomes) for at in landed))
            settled += stand
            failed += [pair for pair in batch.failed if _at(pair[0]) not in lost]
            if not lost:
                return settled, failed
            again = [item for item in batch.items if _at(item) in lost]
            batch = self.decide(again, await self.read(again))
        apart, bad = await self._one_by_one(batch.items, "too many races")
        return settled + apart, failed + bad

    async def _one_by_one(self, items: Sequence[Item], why: str) -> tuple[Settled, Failed]:
        """One item made the whole batch unstorable: find it, so that it costs nobody but those behind it on its page."""
        if len(items) == 1:
            return [], [(items[0], why)]
        settled: Settled = []
        failed: Failed = []
        held: set[Of] = set()
        for item in items:
            if _at(item) in held:
                failed.append((item, "waiting"))
                continue
            good, bad = await self.settle_pages([item])
            settled += good
            failed += bad
            held |= {_at(one) for one, _ in bad}
        return settled, failed

    async def _write_once(self, changes: Sequence[PageChange]) -> set[Of]:
        if not changes:
            return set()
        started = time.perf_counter()
        try:
            async with self._pool.acquire() as db, db.transaction():
                return await pages.write_pages(db, changes)
        except _RACES:
            return set()
        finally:
            metrics.write_seconds.record(time.perf_counter() - started)

    async def settle_sites(self, items: Sequence[Item]) -> tuple[Settled, Failed]:
        """Give each item about a site, a space, a group or a workflow its outcome, if it tells anything new.

        What each kind looks at and locks differs, so each item takes a few round trips; they are rare, a part holds no
        more than ``SITES_AT_ONCE`` of them, and they share one transaction, whose commit costs more than all of theirs.
        Locks are taken in the order of keys. One that cannot be stored is found by itself, and costs only its own key.

        """
        if not items:
            return [], []
        for _ in range(self._attempts):
            try:
                async with self._pool.acquire() as db, db.transaction():
                    return await self._sites(db, sorted(items, key=lambda item: item.key)), []
            except _RACES:
                metrics.conflicts.add(1)
            except _UNSTORABLE as error:
                return await self._sites_one_by_one(items, type(error).__name__)
        return await self._sites_one_by_one(items, "too many races")

    async def _sites_one_by_one(self, items: Sequence[Item], why: str) -> tuple[Settled, Failed]:
        if len(items) == 1:
            return [], [(items[0], why)]
        settled: Settled = []
        failed: Failed = []
        for item in items:
            if any(one.key == item.key for one, _ in failed):
                failed.append((item, "waiting"))
                continue
            good, bad = await self.settle_sites([item])
            settled += good
            failed += bad
        return settled, failed

    async def _sites(self, db: pages.Connection, items: Sequence[Item]) -> Settled:
        stored = await pages.read_outcomes(db, {item.envelope.id for item in items})
        settled: Settled = []
        for item in items:
            outcome = stored.get(item.envelope.id)
            if outcome is not None:
                metrics.duplicates.add(1)
            else:
                outcome = await self.settle_site(db, item, now())
            if outcome is not None:
                stored[item.envelope.id] = outcome
                settled.append((item, outcome))
        return settled

    async def settle_site(self, db: pages.Connection, item: Item, at: datetime) -> Stored | None:
        """Give one item about a site, a space, a group or a workflow its outcome, within a transaction; None if it tells nothing new.

        :raises LostRace: another writer was first.
        """
        message = item.data
        cause = Cause(item.envelope.id, message.caller.account_id)
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
