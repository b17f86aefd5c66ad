"""Releasing what waits in quarantine under one key: it is decided again, in the order of the log."""

from dataclasses import dataclass, field

import asyncpg

from services.decision.domain.batch import Item, Stored, store_form
from services.decision.domain.result import Decided
from services.decision.engine import Engine, Settled
from services.decision.parse import PAGES, read_item
from services.decision.store import pages, quarantine, sites
from services.decision.store.quarantine import Held
from shared.clock import now
from shared.contracts.base import Caller, Channel
from shared.contracts.commands import ReleaseQuarantine
from shared.contracts.envelope import Unreadable
from shared.contracts.events import CommandRefused, QuarantineReleased
from shared.contracts.reasons import Reason


@dataclass(slots=True)
class _Kept:
    """A kept record in the shape of one from the log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int = field(default=0)


def read_held(held: Held) -> Item:
    """Read a record that is kept.

    :raises Unreadable: it can never be handled as it is.
    """
    return read_item(_Kept(held.topic, held.partition, held.offset, held.key.encode(), held.value, held.headers))


def _may_release(caller: Caller) -> bool:
    """Our own tools, and an operator who signed in to the console."""
    return caller.channel is Channel.SYSTEM or (caller.channel is Channel.CONSOLE and caller.operator)


class Release:
    """Settles one ``ReleaseQuarantine``. Run again after a crash, it goes on where it stopped."""

    def __init__(self, pool: asyncpg.Pool, engine: Engine) -> None:
        self._pool = pool
        self._engine = engine

    async def settle(self, item: Item) -> tuple[Settled, list[Held]]:
        """Settle what can be read, up to the first that cannot; then the release itself.

        Also gives the records that are done with: to be dropped once their outcomes are published, not before.
        """
        command: ReleaseQuarantine = item.data
        settled: Settled = []
        done: list[Held] = []
        remaining = 0
        if _may_release(command.caller):
            async with self._pool.acquire() as db:
                waiting = await quarantine.waiting(db, command.key)
            done, settled = await self._settle_held(waiting, set_aside=command.set_aside)
            async with self._pool.acquire() as db:
                remaining = len(await quarantine.waiting(db, command.key)) - len(done)
        return [*settled, (item, await self._outcome(item, len(settled), remaining))], done

    async def _settle_held(self, waiting: list[Held], *, set_aside: bool) -> tuple[list[Held], Settled]:
        settled: Settled = []
        done: list[Held] = []
        for position, held in enumerate(waiting):
            try:
                item = read_held(held)
            except Unreadable:
                if not set_aside or position:
                    break
                async with self._pool.acquire() as db:
                    await quarantine.set_aside(db, held)
                continue
            outcome = await self._one(item)
            if outcome is False:
                break
            if isinstance(outcome, Stored):
                settled.append((item, outcome))
            done.append(held)
        return done, settled

    async def _one(self, item: Item) -> Stored | bool | None:
        """The outcome, None where there is none to tell of, False where it cannot be handled yet."""
        settle = self._engine.settle_pages if type(item.data) in PAGES else self._engine.settle_sites
        settled, failed = await settle([item])
        if failed:
            return False
        return settled[0][1] if settled else None

    async def _outcome(self, item: Item, released: int, remaining: int) -> Stored:
        command: ReleaseQuarantine = item.data
        async with self._pool.acquire() as db, db.transaction():
            stored = (await pages.read_outcomes(db, [item.envelope.id])).get(item.envelope.id)
            if stored is not None:
                return stored
            at = now()
            about = {"site_id": command.site_id, "command_id": str(item.envelope.id), "occurred_at": at,
                     "actor_id": command.caller.account_id}
            event: CommandRefused | QuarantineReleased
            if _may_release(command.caller):
                event = QuarantineReleased.model_validate(about | {"released": released, "remaining": remaining})
            else:
                event = CommandRefused.model_validate(
                    about | {"command": type(command).__name__, "reason": Reason.NOT_PERMITTED})
            outcome = store_form(item, Decided(None, event), at)
            await sites.write_outcome(db, outcome)
            return outcome
