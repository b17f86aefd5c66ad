"""The database, as far as this service can do without it: asked for a bounded time, and left alone once it did not answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from services.command import metrics
from services.command.store import Connection
from shared import postgres


class Away(Exception):
    """The database does not answer, or did not a moment ago."""


class Database:
    """Connections, each for at most ``seconds``. Once one failed, nobody tries for ``rest`` seconds, and then one at a time.

    So that a database that is away costs a request nothing, and one that is back is noticed soon.
    """

    def __init__(self, pool: asyncpg.Pool, seconds: float, rest: float) -> None:
        self._pool = pool
        self._seconds = seconds
        self._rest = rest
        self._away = False
        self._next_try = 0.0

    @asynccontextmanager
    async def connection(self, site_id: str | None = None) -> AsyncIterator[Connection]:
        """A connection for the length of the block, which sees that site's rows, or without one none that are kept by site.

        :raises Away: there is none, or the block did not end in time; what it asked for may have been done.
        """
        if self._away and time.monotonic() < self._next_try:
            raise Away
        self._next_try = time.monotonic() + self._rest
        try:
            async with asyncio.timeout(self._seconds), self._acquired() as connection, _seeing(connection, site_id):
                yield connection
        except postgres.UNAVAILABLE as error:
            self._next_try, self._away = time.monotonic() + self._rest, True
            metrics.DATABASE_FAILURES.add(1, {"error": type(error).__name__})
            raise Away from error
        self._away = False

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Connection]:
        """Like the pool's own, but what was cut short is not waited for: a server that hangs would not confirm it.

        Nor is it used again, since it may still see a site's rows.
        """
        connection = await self._pool.acquire()
        try:
            yield connection
        except BaseException:
            connection.terminate()
            raise
        finally:
            await self._pool.release(connection)


@asynccontextmanager
async def _seeing(connection: Connection, site_id: str | None) -> AsyncIterator[None]:
    """See a site's rows. For the session: a transaction would be a round trip more."""
    if site_id is None:
        yield
        return
    await connection.execute("SELECT set_config('approvalflow.site', $1, false)", site_id)
    yield
    await connection.execute("RESET approvalflow.site")
