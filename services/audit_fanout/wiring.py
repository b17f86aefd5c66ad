"""audit-fanout's composition root: each sink with its own consumer group, and so its own offset."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI

from services.audit_fanout import checkpoints, metrics
from services.audit_fanout.consume import Consumer
from services.audit_fanout.settings import Settings
from services.audit_fanout.sinks import Archive, Sink, Store
from services.audit_fanout.verifications import Verifications
from shared import health, kafka, postgres, telemetry
from shared.contracts.topics import EVENTS
from shared.process import background, within
from shared.watchdog import Watchdog

NAME = "audit-fanout"


class Gather(NamedTuple):
    """A sink's batches: at most so many records, and what the broker lets gather: for so many seconds, or so many bytes."""

    records: int
    seconds: float
    bytes: int


@contextlib.asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[FastAPI]:
    """Everything connected and consuming for the length of the block."""
    async with contextlib.AsyncExitStack() as stack:
        pool = await postgres.connect_pool(settings.database.get_secret_value(), settings.pool_size, NAME)
        stack.push_async_callback(within, settings.leave_seconds, pool.close)
        few = Gather(settings.batch_records, settings.store_seconds, settings.store_bytes)
        many = Gather(4 * settings.batch_records, settings.archive_seconds, settings.archive_bytes)
        consumers = [await _follow(stack, settings, pool, Store(pool, settings.write_attempts), few)]
        archive = Archive(settings.archive_url) if settings.archive_url else None
        if archive is not None:
            consumers.append(await _follow(stack, settings, pool, archive, many))
        taking = asyncio.create_task(checkpoints.keep_taking(pool, archive, settings.checkpoint_seconds))
        await stack.enter_async_context(background(taking, settings.leave_seconds))
        verifications = Verifications(pool)
        stack.enter_context(verifications.shown())
        verifying = asyncio.create_task(verifications.keep_looking(settings.verify_seconds))
        await stack.enter_async_context(background(verifying, settings.leave_seconds))

        async def database() -> bool:
            return bool(await pool.fetchval("SELECT true"))

        async def assigned() -> bool:
            return all(not watchdog.stalled and consumer().assignment() for watchdog, consumer in consumers)

        app = FastAPI(openapi_url=None, telemetry=telemetry.HTTP)
        app.include_router(health.router({"database": database, "log": assigned}))
        yield app


async def _follow(
    stack: contextlib.AsyncExitStack, settings: Settings, pool: asyncpg.Pool, sink: Sink, gather: Gather,
) -> tuple[Watchdog, Callable[[], AIOKafkaConsumer]]:
    """Start a sink with connections of its own. One that fails is tried for ever, and holds up no other."""
    broker = kafka.connect(settings, f"{NAME}-{sink.name}", request_seconds=10 + gather.seconds, publishes=False)

    async def commit(offsets: dict[TopicPartition, int]) -> None:
        await kafka.commit(subscriber.consumer, offsets)

    # What gathers on the log is no stall.
    watchdog = Watchdog(settings, f"{NAME}-{sink.name}", settings.stall_seconds + gather.seconds, metrics.stalls)
    subscriber = kafka.subscribe(
        broker, EVENTS, f"{NAME}-{sink.name}", Consumer(pool, sink, commit, settings.quarantine_limit).handle,
        patience=None, around=watchdog.handling,
        max_records=gather.records, fetch_max_wait_ms=int(gather.seconds * 1000), fetch_min_bytes=gather.bytes,
    )
    stack.push_async_callback(within, settings.drain_seconds + settings.leave_seconds, broker.stop)
    await broker.start()
    await stack.enter_async_context(watchdog.watching(lambda: subscriber.consumer))
    return watchdog, lambda: subscriber.consumer
