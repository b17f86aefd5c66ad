"""How long a batch that fails is tried again: for ever while what it waits for is away, else no longer than patience goes."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from shared import kafka, postgres
from shared.contracts.topics import INTAKE
from shared.settings import ServiceSettings
from tests.stack import Log
from tests.waiting import until

PATIENCE = 0.3


@pytest.fixture
async def told_to_stop() -> AsyncIterator[asyncio.Event]:
    """Was this process told to stop?"""
    told = asyncio.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    yield told
    signal.signal(signal.SIGTERM, before)


@contextlib.asynccontextmanager
async def handling(broker: Log, group: str, *errors: Exception, seconds: float) -> AsyncIterator[asyncio.Event]:
    """A group whose handler raises these in turn for so many seconds; set once it has handled a batch."""
    settings = ServiceSettings(kafka=broker.bootstrap, kafka_idempotent=broker.idempotent, stop_seconds=0.5)
    connected, handled, began, tries = kafka.connect(settings, group), asyncio.Event(), time.monotonic(), 0

    async def handle(_: Sequence[kafka.Record]) -> None:
        nonlocal tries
        tries += 1
        if time.monotonic() - began < seconds:
            raise errors[tries % len(errors)]
        handled.set()

    kafka.subscribe(connected, INTAKE, group, handle, max_records=10, patience=PATIENCE, waits_for=postgres.UNAVAILABLE)
    await connected.start()
    try:
        await connected.publish(b"{}", INTAKE.name, key=b"k")
        began = time.monotonic()
        yield handled
    finally:
        await connected.stop()


@pytest.mark.usefixtures("topics")
async def test_it_waits_for_the_database_as_long_as_it_takes(broker: Log, told_to_stop: asyncio.Event) -> None:
    away = (ConnectionRefusedError(), asyncpg.CannotConnectNowError(), asyncpg.AdminShutdownError(), TimeoutError())
    async with handling(broker, "waits", *away, seconds=5 * PATIENCE) as handled:
        async with asyncio.timeout(20):
            await handled.wait()
    assert not told_to_stop.is_set()


@pytest.mark.usefixtures("topics")
async def test_of_anything_else_it_has_enough(broker: Log, told_to_stop: asyncio.Event) -> None:
    async with handling(broker, "gives-up", ValueError(), seconds=60) as handled:
        async def told() -> bool:
            return told_to_stop.is_set()

        await until(told)
        assert not handled.is_set()
