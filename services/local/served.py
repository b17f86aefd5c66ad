"""An application served by this process itself, beside whatever else it does."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from services.local.child import DidNotStart


class _Server(uvicorn.Server):
    """Leaves signals to the process it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: ASGIApp, address: str) -> AsyncIterator[None]:
    """Serve it at this address, ``http://host:port``, for the length of the block.

    :raises DidNotStart: nobody can listen there, as when another process does.
    """
    at = urlsplit(address)
    try:
        listener = socket.create_server((at.hostname or "", at.port or 0))
    except OSError as error:
        raise DidNotStart(f"cannot listen at {address}: {error.strerror}") from None
    server = _Server(uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=1,
    ))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
