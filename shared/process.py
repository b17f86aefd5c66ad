"""One way to run a service: serve HTTP until told to stop, then drain within a bound."""

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import TypeVar

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from shared import logs, metrics, telemetry
from shared.settings import ServiceSettings
from shared.slow import HeaderLimit

S = TypeVar("S", bound=ServiceSettings)
_LAST = 0.9
"""The part of ``stop_seconds`` after which whatever has not ended is given up."""
_ON_STOP = "on_stop"


def run(service: str, settings: S, build: Callable[[S], AbstractAsyncContextManager[FastAPI]]) -> None:
    """Run until SIGTERM or SIGINT; the application's own context starts and stops what it needs."""
    tune_collector()
    logs.configure(service, as_json=settings.log_json)
    telemetry.configure(service)
    uvloop.run(_serve(settings, build))


def tune_collector() -> None:
    """Collect cycles seldom: batches allocate many objects that reference counting frees, and scanning them is waste."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


class _Server(uvicorn.Server):
    """Once told to stop, everything is over in time, whoever does not answer."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, stop_seconds: float) -> None:
        super().__init__(config)
        self._on_stop: Callable[[], None] = getattr(app.state, _ON_STOP, _nothing)
        self._stop_seconds = stop_seconds
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal starts the clock. It is a thread's, so that a loop that hangs cannot hold it up."""
        if not self.should_exit:
            clock = threading.Timer(self._stop_seconds * _LAST, _give_up)
            clock.daemon = True
            clock.start()
            self._loop.call_soon_threadsafe(self._on_stop)
        super().handle_exit(sig, frame)


def on_stop(app: FastAPI, what: Callable[[], None]) -> None:
    """Do this as soon as the process is told to stop, before requests in flight are waited for."""
    setattr(app.state, _ON_STOP, what)


def _nothing() -> None:
    """Nothing is to be done."""


def _give_up() -> None:
    """What was not finished is on the log still, and comes again; waiting longer would only have us killed."""
    structlog.get_logger().error("did not stop in time")
    os._exit(1)


async def _serve(settings: S, build: Callable[[S], AbstractAsyncContextManager[FastAPI]]) -> None:
    async with build(settings) as app, background(asyncio.create_task(metrics.watch_loop()), settings.leave_seconds):
        server = _Server(uvicorn.Config(
            app, host=settings.http_host, port=settings.http_port, http=HeaderLimit, log_config=None, access_log=False,
            timeout_graceful_shutdown=max(1, int(settings.drain_seconds)), server_header=False, lifespan="off",
        ), app, settings.stop_seconds)
        structlog.get_logger().info("started", address=settings.http_host, port=settings.http_port)
        # Once it has stopped, the server raises the signals it caught again; they must not end the process before the
        # application's context is left, or consumers would not leave their groups and the next start would wait.
        for caught in (signal.SIGINT, signal.SIGTERM):
            signal.signal(caught, _already_stopping)
        await server.serve()


def _already_stopping(_number: int, _frame: FrameType | None) -> None:
    """Whoever sent the signal has what it asked for."""


async def within(seconds: float, stop: Callable[[], Awaitable[object]]) -> None:
    """Stop something, and no longer wait for it than this: a server that hangs never says goodbye."""
    stopping = asyncio.ensure_future(stop())
    done, _ = await asyncio.wait({stopping}, timeout=seconds)
    if done:
        await stopping
    else:
        stopping.cancel()
        structlog.get_logger().warning("left without a goodbye", seconds=seconds)


async def keep(looking: Callable[[], Awaitable[None]], seconds: float, passing: tuple[type[Exception], ...], kind: str) -> None:
    """Look once in so many seconds, for ever; while an error of these lasts, what was seen last counts."""
    while True:
        try:
            await looking()
        except passing as error:
            structlog.get_logger().warning("not measured", kind=kind, error=type(error).__name__)
        await asyncio.sleep(seconds)


@contextlib.asynccontextmanager
async def background(task: asyncio.Task[None], stop_seconds: float) -> AsyncIterator[None]:
    """Keep a task running for the length of the block, then cancel it and wait, bounded."""
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=stop_seconds)
