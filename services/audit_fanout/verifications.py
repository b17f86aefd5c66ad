"""Now and then the whole log is verified, and what was found is shown, so that nobody has to remember to look."""

import asyncio
import time
from contextlib import AbstractContextManager

import asyncpg
import structlog

from services.audit_fanout import metrics
from services.audit_fanout.verify import Verdict, verify
from shared.metrics import shown
from shared.process import keep

log = structlog.get_logger()


class Verifications:
    """What the last whole look found. Until the first, the age is how long there has been none."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._verdict: Verdict | None = None
        self._looked_at = time.monotonic()

    async def look(self) -> None:
        """Verify everything.

        :raises asyncpg.PostgresError: the database does not say; what was found last stands.
        """
        async with self._pool.acquire() as db:
            self._verdict = await verify(db)
        self._looked_at = time.monotonic()
        if (wrong := self._verdict.wrong) is not None:
            log.error("audit log is not as it was written", partition=wrong.partition, position=wrong.position, reason=wrong.what)

    async def keep_looking(self, seconds: float) -> None:
        """Look every so many seconds, for ever; not at once, when there is most to catch up with."""
        await asyncio.sleep(seconds)
        await keep(self.look, seconds, (Exception,), "audit log")

    def shown(self) -> AbstractContextManager[None]:
        """Show it for the length of the block."""
        return shown((
            (metrics.broken, lambda: [(float(verdict.wrong is not None), {}) for verdict in self._found()]),
            (metrics.verified, lambda: [(verdict.verified, {}) for verdict in self._found()]),
            (metrics.verified_age, lambda: [(time.monotonic() - self._looked_at, {})]),
        ))

    def _found(self) -> list[Verdict]:
        return [] if self._verdict is None else [self._verdict]
