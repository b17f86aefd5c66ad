"""A TCP proxy on the loopback interface whose connections can be cut, slowed, silenced and refused."""

import asyncio
import contextlib

from services.local.child import free_port

_CHUNK = 1 << 16


class Proxy:
    """Stands before one port of this machine. Untouched, it passes everything on at once."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = free_port()
        self.delay = 0.0
        """Seconds that each chunk waits, either way."""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def accept(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def refuse(self) -> None:
        """Take none any more, and cut those there are."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """End every connection now, as a broken cable's router would."""
        for writer in self._open:
            writer.transport.abort()

    def silence(self) -> None:
        """Connections stay, and nothing passes."""
        self._flowing.clear()

    def resume(self) -> None:
        """Everything passes again."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, target_writer}
        self._open |= ends
        try:
            await asyncio.gather(self._pass(reader, target_writer), self._pass(target_reader, writer))
        finally:
            self._open -= ends
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # either end may go at any time; the other is told by the end of its stream
            while chunk := await reader.read(_CHUNK):
                await self._flowing.wait()
                await asyncio.sleep(self.delay)
                writer.write(chunk)
                await writer.drain()
        writer.close()
