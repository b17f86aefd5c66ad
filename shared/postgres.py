"""Pools and migrations."""

import importlib.resources
import logging
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import stamina
from pogo_core.util import migrate as pogo
from pogo_core.util import sql as pogo_sql

from shared import metrics

UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
    ConnectionError,
    TimeoutError,
)
"""What passes by itself: the database away, restarting, full or too slow."""

logging.getLogger("pogo_core").setLevel(logging.ERROR)  # it warns of each migration that it applies
SCHEMA = Path(str(importlib.resources.files("shared") / "schema"))


def _encode_json(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


async def _init(connection: asyncpg.Connection) -> None:
    # json columns hold exact bytes that were published, so they come and go as text; jsonb is decoded.
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode_json, decoder=orjson.loads)


async def _as_it_is(_: asyncpg.Connection) -> None:
    """Every statement here leaves a connection as it found it."""


class _Acquire(asyncpg.pool.PoolAcquireContext):
    async def __aenter__(self) -> Any:
        with metrics.timed(metrics.POOL_WAIT):
            return await super().__aenter__()

    def __await__(self) -> Generator[Any, Any, Any]:
        with metrics.timed(metrics.POOL_WAIT):
            return (yield from super().__await__())


class _Measured(asyncpg.Pool):
    """A pool that tells how long a connection was waited for."""

    def acquire(self, *, timeout: float | None = None) -> _Acquire:
        """A connection, as of any pool."""
        return _Acquire(self, timeout)


async def connect_pool(
    dsn: str, size: int, application: str, *, session_state: bool = False, needed: bool = True,
) -> asyncpg.Pool:
    """A pool of at most ``size`` connections that give up a stuck statement after 30 seconds.

    With ``session_state``, advisory locks and the like end when a connection is given back, at the price of a round
    trip each time. One that is not ``needed`` is opened even while the database is away.
    """
    return await _Measured(
        dsn, connection_class=asyncpg.Connection, record_class=asyncpg.Record, min_size=int(needed), max_size=size,
        max_queries=50_000, max_inactive_connection_lifetime=300.0, loop=None, setup=None, init=_init,
        reset=None if session_state else _as_it_is,
        server_settings={
            "application_name": application, "statement_timeout": "30s",
            "idle_in_transaction_session_timeout": "5s",
        },
    )


class Reading:
    """Reads, each in a transaction of its own that alone sees what it may: outside of it, a role that answers people sees nothing."""

    def __init__(self, pool: asyncpg.Pool, begin: str, *arguments: str) -> None:
        self._pool = pool
        self._begin = (begin, *arguments)

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """All rows."""
        async with self._begun() as connection:
            return await connection.fetch(statement, *arguments)

    async def fetchrow(self, statement: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row."""
        async with self._begun() as connection:
            return await connection.fetchrow(statement, *arguments)

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """The first value of the first row."""
        async with self._begun() as connection:
            return await connection.fetchval(statement, *arguments)

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(*self._begin)
            yield connection


def for_site(pool: asyncpg.Pool, site_id: str) -> Reading:
    """Reads of one site's rows."""
    return Reading(pool, "SELECT set_config('approvalflow.site', $1, true)", site_id)


_OPERATOR = "approvalflow_operator"


def across_sites(pool: asyncpg.Pool) -> Reading:
    """Reads for operators, of all sites; for those alone whose role may take on the operators'."""
    return Reading(pool, f"SET LOCAL ROLE {_OPERATOR}")


async def connect_across_sites(dsn: str) -> asyncpg.Connection:
    """A connection that reads all sites, for an operator at a terminal."""
    return await asyncpg.connect(dsn, server_settings={"role": _OPERATOR})


def _got_no_lock(error: Exception) -> bool:
    return isinstance(error.__cause__, asyncpg.LockNotAvailableError)


async def migrate(dsn: str) -> int:
    """Apply the migrations that are missing, one migrator at a time; returns how many files there are.

    Whoever waits for a table's lock makes everybody wait who comes later, so one is given up soon and asked for again.

    :raises BadMigrationError: one failed, or got no lock in ten minutes; nothing of it is left.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock(7309271)")
        await connection.execute("SET lock_timeout = '1s'")
        await pogo_sql.ensure_pogo_sync(connection)
        async for attempt in stamina.retry_context(on=_got_no_lock, attempts=None, timeout=600, wait_max=2):
            with attempt:
                await pogo.apply(connection, SCHEMA, schema_name="public")
    finally:
        await connection.close()
    return len(list(SCHEMA.glob("*.sql")))
