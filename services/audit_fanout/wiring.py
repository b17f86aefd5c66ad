"""audit-fanout's composition root: each sink with its own consumer group, and so its own offset."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI

from services.audit_fanout import checkpoints, metrics
from services.audit_fanout.consume import Consumer
from services.audit_fanout.settings import Settings
from services.audit_fanout.sinks import Archive, Sink, Store
from shared import health, kafka, postgres
from shared.contracts.topics import EVENTS
from shared.process import background, within
from shared.watchdog import Watchdog

NAME = "audit-fanout"


@contextlib.asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[FastAPI]:
    """Everything connected and consuming for the length of the block."""
    async with contextlib.AsyncExitStack() as stack:
        pool = await postgres.connect_pool(settings.database.get_secret_value(), settings.pool_size, NAME)
        stack.push_async_callback(within, settings.leave_seconds, pool.close)
        archive = Archive(settings.archive_url) if settings.archive_url else None
        consumers = [await _follow(stack, settings, pool, Store(pool, settings.write_attempts))]
        if archive is not None:
            consumers.append(await _follow(stack, settings, pool, archive, gather=True))
        taking = asyncio.create_task(checkpoints.keep_taking(pool, archive, settings.checkpoint_seconds))
        await stack.enter_async_context(background(taking, settings.leave_seconds))

        async def database() -> bool:
            return bool(await pool.fetchval("SELECT true"))

        async def assigned() -> bool:
            return all(not watchdog.stalled and consumer().assignment() for watchdog, consumer in consumers)

        app = FastAPI(openapi_url=None)
        app.include_router(health.router({"database": database, "log": assigned}))
        yield app


async def _follow(
    stack: contextlib.AsyncExitStack, settings: Settings, pool: asyncpg.Pool, sink: Sink, *, gather: bool = False,
) -> tuple[Watchdog, Callable[[], AIOKafkaConsumer]]:
    """Start a sink with connections of its own. One that fails is tried for ever, and holds up no other."""
    wait = settings.archive_seconds if gather else 0.5
    broker = kafka.connect(settings, f"{NAME}-{sink.name}", request_seconds=10 + wait)

    async def commit(offsets: dict[TopicPartition, int]) -> None:
        await kafka.commit(subscriber.consumer, offsets)

    # What gathers on the log is no stall.
    watchdog = Watchdog(settings.kafka, f"{NAME}-{sink.name}", settings.stall_seconds + wait, metrics.stalls)
    subscriber = kafka.subscribe(
        broker, EVENTS, f"{NAME}-{sink.name}", Consumer(pool, sink, commit, settings.quarantine_limit).handle,
        patience=None, around=watchdog.handling,
        max_records=settings.batch_records * (4 if gather else 1), fetch_max_wait_ms=int(wait * 1000),
        fetch_min_bytes=settings.archive_bytes if gather else 1,
    )
    stack.push_async_callback(within, settings.drain_seconds + settings.leave_seconds, broker.stop)
    await broker.start()
    await stack.enter_async_context(watchdog.watching(lambda: subscriber.consumer))
    return watchdog, lambda: subscriber.consumer
