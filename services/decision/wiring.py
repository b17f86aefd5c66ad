"""decision's composition root."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from aiokafka import TopicPartition
from fastapi import FastAPI

from services.decision import metrics
from services.decision.consume import Consumer
from services.decision.engine import Engine
from services.decision.settings import Settings
from services.decision.store import sessions
from shared import health, kafka, postgres, telemetry
from shared.contracts.topics import INTAKE
from shared.process import background, keep, within
from shared.watchdog import Watchdog

GROUP = "decision"


@contextlib.asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[FastAPI]:
    """Everything connected and consuming for the length of the block; left, the batch in hand is finished first."""
    pool = await postgres.connect_pool(settings.database.get_secret_value(), settings.pool_size, GROUP)
    broker = kafka.connect(settings, GROUP)
    publisher = kafka.BatchPublisher(settings, GROUP)

    async def commit(offsets: dict[TopicPartition, int]) -> None:
        await kafka.commit(subscriber.consumer, offsets)

    # Of its own, since every other connection may be waiting for a lock that a silent one holds.
    watch = await postgres.connect_pool(settings.database.get_secret_value(), 1, f"{GROUP}-sessions")

    async def end_silent() -> None:
        if ended := await sessions.end_silent(watch, settings.silent_seconds):
            metrics.silenced.add(ended)
            structlog.get_logger().warning("silent sessions ended", count=ended)

    engine = Engine(pool, settings.facts_max_age, settings.write_attempts)
    consumer = Consumer(pool, engine, publisher, commit, settings.part_records, settings.lanes,
                        settings.quarantine_limit)
    watchdog = Watchdog(settings, GROUP, settings.stall_seconds, metrics.stalls)
    subscriber = kafka.subscribe(
        broker, INTAKE, GROUP, consumer.handle, max_records=settings.batch_records, waits_for=postgres.UNAVAILABLE,
        pace=settings.pace_seconds, around=watchdog.handling,
    )

    async def database() -> bool:
        return bool(await pool.fetchval("SELECT true"))

    async def assigned() -> bool:
        return not watchdog.stalled and subscriber.consumer is not None and bool(subscriber.consumer.assignment())

    await publisher.start()
    await broker.start()
    app = FastAPI(openapi_url=None, telemetry=telemetry.HTTP)
    app.include_router(health.router({"database": database, "log": assigned}))
    try:
        looking = asyncio.create_task(keep(end_silent, settings.silent_seconds / 2, postgres.UNAVAILABLE, "sessions"))
        async with background(looking, settings.leave_seconds), watchdog.watching(lambda: subscriber.consumer):
            yield app
    finally:
        await within(settings.drain_seconds + settings.leave_seconds, broker.stop)
        await within(settings.leave_seconds, publisher.stop)
        await within(settings.leave_seconds, pool.close)
        await within(settings.leave_seconds, watch.close)
