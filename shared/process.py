"""One way to run a service: serve HTTP until told to stop, then drain within a bound."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import TypeVar

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from shared import logs, telemetry
from shared.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


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


async def _serve(settings: S, build: Callable[[S], AbstractAsyncContextManager[FastAPI]]) -> None:
    async with build(settings) as app:
        server = uvicorn.Server(uvicorn.Config(
            app, host=settings.http_host, port=settings.http_port, log_config=None, access_log=False,
            timeout_graceful_shutdown=int(settings.stop_seconds), server_header=False, lifespan="off",
        ))
        structlog.get_logger().info("started", address=settings.http_host, port=settings.http_port)
        # Once it has stopped, the server raises the signals it caught again; they must not end the process before the
        # application's context is left, or consumers would not leave their groups and the next start would wait.
        for caught in (signal.SIGINT, signal.SIGTERM):
            signal.signal(caught, _already_stopping)
        await server.serve()


def _already_stopping(_number: int, _frame: FrameType | None) -> None:
    """Whoever sent the signal has what it asked for."""


@contextlib.asynccontextmanager
async def background(task: asyncio.Task[None], stop_seconds: float) -> AsyncIterator[None]:
    """Keep a task running for the length of the block, then cancel it and wait, bounded."""
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=stop_seconds)
