"""The proxy: passes everything on, until it is told otherwise."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from chaos.proxy import Proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(1000):
        writer.write(chunk)
    writer.close()


@contextlib.asynccontextmanager
async def before_an_echo() -> AsyncIterator[Proxy]:
    """A proxy, and behind it a server that says everything again."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname()[1])
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.refuse()
        server.close()


async def said_again(streams: Streams, said: bytes = b"hello") -> bytes:
    reader, writer = streams
    writer.write(said)
    return await asyncio.wait_for(reader.readexactly(len(said)), 5)


async def test_what_is_said_passes_whole_and_in_order() -> None:
    async with before_an_echo() as proxy:
        streams = await asyncio.open_connection("127.0.0.1", proxy.port)
        said = bytes(range(256)) * 4000
        assert await said_again(streams, said) == said
        streams[1].write_eof()
        assert await asyncio.wait_for(streams[0].read(), 5) == b""


async def test_a_cut_ends_connections_and_allows_new_ones() -> None:
    async with before_an_echo() as proxy:
        streams = await asyncio.open_connection("127.0.0.1", proxy.port)
        await said_again(streams)
        proxy.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await said_again(streams)
        assert await said_again(await asyncio.open_connection("127.0.0.1", proxy.port)) == b"hello"


async def test_refused_until_accepted_again() -> None:
    async with before_an_echo() as proxy:
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.accept()
        assert await said_again(await asyncio.open_connection("127.0.0.1", proxy.port)) == b"hello"


async def test_silence_holds_back_what_is_then_passed() -> None:
    async with before_an_echo() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.silence()
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        proxy.resume()
        assert await asyncio.wait_for(reader.readexactly(5), 5) == b"hello"


async def test_a_delay_is_paid_there_and_back() -> None:
    async with before_an_echo() as proxy:
        streams = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.delay = 0.1
        began = time.perf_counter()
        await said_again(streams)
        assert time.perf_counter() - began >= 0.2
