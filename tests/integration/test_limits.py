"""How much one actor or site may ask for, and how slowly: by HTTP on the service as it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from services.command.settings import Settings
from services.local.issuer import LocalIssuer
from shared.contracts.reasons import Reason
from shared.slow import HEADER_BYTES, HeaderLimit
from tests.integration.command_stack import DECISION, Service, problem, running

ACTOR, SITE = 3, 5
DECIDE = "/v1/approvals/5-1/decisions"


@pytest_asyncio.fixture(scope="module")
async def limited(settings: Settings, issuer: LocalIssuer) -> AsyncIterator[Service]:
    """The service with limits that a test can reach, and hours to reach them in."""
    changes = {"actor_requests": ACTOR, "site_requests": SITE, "rate_seconds": 3600}
    async with running(settings.model_copy(update=changes), issuer) as started:
        yield started


async def test_an_actor_or_a_site_that_asks_for_too_much_is_told_when_to_come_again(limited: Service) -> None:
    """What was refused counts for nobody, and what one actor or site uses up is nobody else's."""
    answers = [await limited.post(DECIDE, DECISION, "acc:ann", key=str(n)) for n in range(ACTOR + 2)]
    assert [a.status_code for a in answers] == [202] * ACTOR + [429] * 2
    for refused in answers[ACTOR:]:
        problem(refused, Reason.RATE_LIMITED)
        assert 3000 < int(refused.headers["retry-after"]) <= 3600
    others = [await limited.post(DECIDE, DECISION, who, key="k") for who in ("acc:bob", "acc:carol", "acc:dave")]
    assert [a.status_code for a in others] == [202] * (SITE - ACTOR) + [429]
    assert (await limited.post(DECIDE, DECISION, "acc:ann", site="site-two")).status_code == 202


async def test_webhooks_and_strangers_are_not_counted(limited: Service) -> None:
    """What Confluence tells and is refused is lost for good; what is not proved uses up nobody's share."""
    for _ in range(SITE + 1):
        problem(await limited.post(DECIDE, DECISION, token="x"), Reason.UNAUTHENTICATED)
        told = {"Authorization": f"Bearer {limited.issuer.forge('site-three')}"}
        response = await limited.client.post("/webhooks/forge", json={"eventType": "avi:confluence:liked:page"}, headers=told)
        assert response.status_code == 200
    assert (await limited.post(DECIDE, DECISION, site="site-three")).status_code == 202


async def _hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@asynccontextmanager
async def listening(seconds: float) -> AsyncIterator[int]:
    """A server whose callers have so long for a header: its port."""
    limit = type("Limit", (HeaderLimit,), {"seconds": seconds})
    app = Starlette(routes=[Route("/", _hello, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=limit, lifespan="off", log_config=None))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


async def say(port: int, *parts: bytes) -> bytes:
    """All that the server says until it hangs up, to somebody who says this."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(30):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


START = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@pytest.mark.parametrize("begun", [b"", b"POST", START, START + b"X-Long: " + b"x" * 100])
async def test_whoever_takes_too_long_for_a_header_is_cut_off(begun: bytes) -> None:
    async with listening(0.05) as port:
        assert await say(port, begun) == b""


@pytest.mark.parametrize(
    "header",
    [
        b"X-Long: " + b"x" * HEADER_BYTES + b"\r\n\r\n", b"X-Long: " + b"x" * HEADER_BYTES * 8, b"a: b\r\n" * (HEADER_BYTES // 2) + b"\r\n",
        b"a: b\r\n" * (HEADER_BYTES // 2),
    ],
    ids=["one line", "one line without an end", "many lines", "many lines without an end"],
)
async def test_a_header_that_is_too_long_is_refused(header: bytes) -> None:
    async with listening(3600) as port:
        told = await say(port, START + header)
        assert told == b"" or told.startswith(b"HTTP/1.1 400 ")  # who goes on talking may be hung up on before they hear it


async def test_others_are_served_as_ever() -> None:
    """A long body is no long header, a body may take its time, and a connection is good for several requests."""
    async with listening(3600) as port:
        long = START + b"Content-Length: %d\r\n\r\n" % (HEADER_BYTES * 4)
        assert (await say(port, long, b"x" * HEADER_BYTES * 4)).endswith(str(HEADER_BYTES * 4).encode())
        header = START + b"X-Long: " + b"x" * (HEADER_BYTES - 200) + b"\r\nContent-Length: 1\r\n\r\n"
        assert (await say(port, header[:1000], header[1000:], b"x")).startswith(b"HTTP/1.1 200 ")
        again = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        assert (await say(port, again, again, START + b"\r\n")).count(b"HTTP/1.1 200 ") == 3
