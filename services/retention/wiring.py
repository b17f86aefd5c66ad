"""retention's composition root: the service, and a single sweep by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
from fastapi import FastAPI

from services.retention.ingress import Plans
from services.retention.settings import Settings
from services.retention.sweep import Progress, Sweep
from shared import health, kafka, postgres, telemetry
from shared.process import background, within

NAME = "retention"


@contextlib.asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[FastAPI]:
    """Everything connected and sweeping for the length of the block; left, a batch in hand is given up."""
    async with contextlib.AsyncExitStack() as stack:
        pool, publisher = await _connect(stack, settings)
        sweeping = asyncio.create_task(Sweep(pool, publisher.publish, settings).forever())
        await stack.enter_async_context(background(sweeping, settings.drain_seconds))

        async def database() -> bool:
            return bool(await pool.fetchval("SELECT true"))

        async def alive() -> bool:
            return not sweeping.done()

        app = FastAPI(openapi_url=None, telemetry=telemetry.HTTP)
        app.include_router(health.router({"database": database, "sweep": alive}))
        app.include_router(Plans(pool, settings).router())
        yield app


@contextlib.asynccontextmanager
async def by_hand(settings: Settings, progress: Progress) -> AsyncIterator[Sweep]:
    """A sweep that somebody watches."""
    async with contextlib.AsyncExitStack() as stack:
        pool, publisher = await _connect(stack, settings)
        yield Sweep(pool, publisher.publish, settings, progress)


async def _connect(stack: contextlib.AsyncExitStack, settings: Settings) -> tuple[asyncpg.Pool, kafka.BatchPublisher]:
    pool = await postgres.connect_pool(
        settings.database.get_secret_value(), settings.pool_size, NAME, session_state=True
    )
    stack.push_async_callback(within, settings.leave_seconds, pool.close)
    publisher = kafka.BatchPublisher(settings, NAME)
    stack.push_async_callback(within, settings.leave_seconds, publisher.stop)
    await publisher.start()
    return pool, publisher
