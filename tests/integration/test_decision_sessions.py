"""A process that is paused in the middle of writing holds its locks no longer than others wait for."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.decision.store import sessions
from shared.postgres import connect_pool
from tests.stack import Database
from tests.waiting import until

_PAGE = "INSERT INTO approvals.page (site_id, page_id, version) VALUES ($1, '1', 1) ON CONFLICT DO NOTHING"
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query = $1"
_LOCK = "UPDATE approvals.page SET version = version WHERE site_id = $1"


async def test_one_that_is_silent_within_a_copy_is_ended_and_its_locks_are_free(database: Database) -> None:
    site, begun, go_on = "silent", asyncio.Event(), asyncio.Event()

    async def nothing_yet() -> AsyncIterator[bytes]:
        begun.set()
        await go_on.wait()
        yield b""

    async with await connect_pool(database.dsn("decision"), 3, "test") as pool:
        await pool.execute(_PAGE, site)

        async def paused() -> None:
            async with pool.acquire() as db, db.transaction():
                await db.execute(_LOCK, site)
                await db.copy_to_table("outcome", schema_name="approvals", source=nothing_yet())

        stuck = asyncio.create_task(paused())
        await begun.wait()
        blocked = asyncio.create_task(pool.execute(_LOCK, site))

        async def ended() -> bool:
            return await sessions.end_silent(pool, 0.2) == 1

        await until(ended)
        await blocked
        go_on.set()
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
            await stuck


async def test_one_that_waits_for_a_lock_or_is_idle_is_let_be(database: Database) -> None:
    site = "patient"
    async with await connect_pool(database.dsn("decision"), 3, "test") as pool:
        await pool.execute(_PAGE, site)
        async with pool.acquire() as holder, holder.transaction():
            await holder.execute(_LOCK, site)
            waiting = asyncio.create_task(pool.execute(_LOCK, site))

            async def waits() -> bool:
                return bool(await pool.fetchval(_WAITING, _LOCK))

            await until(waits)
            assert await sessions.end_silent(pool, 0) == 0
        await waiting
