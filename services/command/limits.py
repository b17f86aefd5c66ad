"""What a request may cost before anything looks at it: size, time, and how many at once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from cachetools import TTLCache
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.command import metrics
from shared import problems
from shared.contracts.reasons import Reason
from shared.tokens import Principal

_ACTORS = 10_000
"""Of so many actors at most it is remembered how often they were refused."""
_DISCARD = 64
"""How many times the limit is read, and thrown away, to be able to answer."""


class BodyLimit:
    """Reads each body whole, up to ``max_bytes`` and for at most ``seconds``, chunked or not, then hands it on."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            await _answer(problems.Refusal(Reason.UNAVAILABLE, status=408), send)
            return
        if isinstance(body, problems.Refusal):
            await _answer(body, send)
        elif body is not None:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | problems.Refusal | None:
        """A body too large is read on for a while and thrown away: a sender who is cut off never sees why."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > self._max_bytes * _DISCARD:
            return problems.Refusal(Reason.TOO_LARGE)
        chunks: list[bytes] = []
        size, more = 0, True
        while more and size <= self._max_bytes * _DISCARD:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            size += len(message.get("body", b""))
            if size <= self._max_bytes:
                chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        return b"".join(chunks) if size <= self._max_bytes else problems.Refusal(Reason.TOO_LARGE)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed


async def _answer(refusal: problems.Refusal, send: Send) -> None:
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"connection", b"close")]
    headers += [(name.lower().encode(), value.encode()) for name, value in (refusal.headers or {}).items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": problems.body_of(refusal)})


class Repeats:
    """Tells of an actor refused ``limit`` times, each within ``seconds`` of the one before."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._counts: TTLCache[tuple[str, str], int] = TTLCache(_ACTORS, seconds)

    @contextmanager
    def watching(self, principal: Principal) -> Iterator[None]:
        """Count a refusal of the block as this actor's."""
        try:
            yield
        except problems.Refusal as refusal:
            if refusal.reason is not Reason.UNAVAILABLE:  # which is our own fault
                self._note((principal.site_id, principal.caller.account_id or ""))
            raise

    def _note(self, actor: tuple[str, str]) -> None:
        self._counts[actor] = self._counts.get(actor, 0) + 1
        if self._counts[actor] % self._limit == 0:
            metrics.REPEATS.add(1)
            structlog.get_logger().warning("refused again and again", site_id=actor[0], count=self._counts[actor])


class InFlight:
    """Counts what is being admitted; above the bound it refuses at once, since waiting would only move the queue."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    @property
    def count(self) -> int:
        """How many are being admitted now."""
        return self._count

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold one place.

        :raises Refusal: there is none.
        """
        if self._count >= self._limit:
            raise problems.Refusal(Reason.UNAVAILABLE)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
