"""Idempotency keys claimed together: those that arrive while one batch commits share the next one's commit."""

import asyncio

from services.command import store
from services.command.database import Database
from services.command.store import Asking, Claim

_MOST = 500


class Claims:
    """One batch at a time for this process; each is one statement, durable before anyone is answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Asking, asyncio.Future[Claim]]] = []
        self._running: asyncio.Task[None] | None = None

    async def claim(self, asking: Asking) -> Claim:
        """What the key stands for from now on, or has stood for already.

        :raises Away: the database does not say; the claim may have been made.
        """
        future: asyncio.Future[Claim] = asyncio.get_running_loop().create_future()
        self._waiting.append((asking, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._one(batch)
        finally:
            self._running = None

    async def _one(self, batch: list[tuple[Asking, asyncio.Future[Claim]]]) -> None:
        try:
            async with self._database.connection() as db:
                found = await store.claim(db, [asking for asking, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is raised in each of those who wait
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), claim in zip(batch, found, strict=True):
            if not future.done():
                future.set_result(claim)
