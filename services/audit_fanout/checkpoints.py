"""Now and then, the ends of all chains are written down together, in the store and in the archive."""

import asyncio

import asyncpg
import structlog

from services.audit_fanout.domain import checkpoint, ends_of
from services.audit_fanout.sinks import Archive
from services.audit_fanout.store import entries as store
from services.audit_fanout.store.entries import Checkpoint
from shared import chain
from shared.clock import now

log = structlog.get_logger()


async def take(pool: asyncpg.Pool, archive: Archive | None) -> Checkpoint | None:
    """Take a checkpoint if a chain has grown since the last; None if none has, or another process took it."""
    async with pool.acquire() as db:
        heads, last = await store.ends(db)
        number, previous = (1, chain.GENESIS) if last is None else (last.number + 1, last.hash)
        if not heads or (last is not None and ends_of(last.body) == heads):
            return None
        taken = Checkpoint(number, *checkpoint(previous, heads, now()))
        if not await store.add_checkpoint(db, taken):
            return None
    if archive is not None:
        await asyncio.to_thread(archive.checkpoint, taken.number, taken.body, taken.hash)
    return taken


async def keep_taking(pool: asyncpg.Pool, archive: Archive | None, seconds: float) -> None:
    """Take one every so many seconds, for ever; one that fails is told of, and the next is tried."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await take(pool, archive)
        except Exception as error:  # noqa: BLE001 - entries are safe without it; what is wrong is logged
            log.warning("no checkpoint", error=type(error).__name__)
