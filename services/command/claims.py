"""Idempotency keys claimed together: those that arrive while one batch commits share the next one's commit."""

import asyncio

import asyncpg

from services.command import store
from services.command.store import Asking, Claim

_MOST = 500


class Claims:
    """One batch at a time for this process; each is one statement, durable before anyone is answered."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._waiting: list[tuple[Asking, asyncio.Future[Claim]]] = []
        self._running: asyncio.Task[None] | None = None

    async def claim(self, asking: Asking) -> Claim:
        """What the key stands for from now on, or has stood for already."""
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
            found = await store.claim(self._pool, [asking for asking, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is raised in each of those who wait
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), claim in zip(batch, found, strict=True):
            if not future.done():
                future.set_result(claim)
