"""What a request's body may cost before anything looks at it: size and time."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import problems
from shared.contracts.reasons import Reason

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
