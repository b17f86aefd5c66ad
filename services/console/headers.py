"""What every answer of this service tells browsers to refuse."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Strict-Transport-Security": "max-age=31536000",
    "Cache-Control": "private, no-cache",
}


def policy(provider: str) -> str:
    """What a page may load, and where its forms may lead: here, and to the provider for signing out there too."""
    parts = urlsplit(provider)
    elsewhere = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        f"form-action 'self'{elsewhere}; frame-ancestors 'none'"
    )


class Guarded(FastAPI):
    """An application whose every answer carries them, the answer to an error nobody foresaw included."""

    def __init__(self, *, provider: str, **options: Any) -> None:
        super().__init__(**options)
        self._headers = HEADERS | {"Content-Security-Policy": policy(provider)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await super().__call__(scope, receive, guarded)
