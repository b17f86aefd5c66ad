"""A way through to a server that a test can shut, or let go silent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Gate:
    """Hands bytes on in both directions. Silent, it takes what clients send and answers nothing; shut, it takes nobody."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._streams: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.taken = 0
        """How many connections came."""

    async def open(self) -> None:
        """Let everybody through, also those who came while it was silent."""
        self._open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def silent(self) -> None:
        """Answer nothing more, and drop nobody."""
        self._open.clear()

    async def shut(self) -> None:
        """Drop everybody, and refuse who comes."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._streams:
            writer.transport.abort()
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        self._streams.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            back, there = await asyncio.open_connection(*self._target)
            self._streams.add(there)
            await asyncio.gather(self._hand_on(reader, there), self._hand_on(back, writer))
        except OSError:
            pass
        finally:
            for end in (writer, there):
                if end is not None:
                    self._streams.discard(end)
                    end.transport.abort()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def opened(host: str, port: int) -> AsyncIterator[Gate]:
    """An open gate for the length of the block."""
    gate = Gate(host, port)
    await gate.open()
    try:
        yield gate
    finally:
        await gate.shut()
