"""What the header of a request may cost before there is a request: size and time."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_BYTES = 65_536
"""Of a header, its names and values together."""
HEADER_SECONDS = 10.0
"""How long a header may take to arrive, from the connection or its own first byte on."""


class HeaderLimit(HttpToolsProtocol):
    """HTTP as ever, but for whoever sends a header that is too long, or sends it too slowly: they are cut off."""

    seconds = HEADER_SECONDS
    _clock: asyncio.TimerHandle | None = None
    _read = 0
    _held = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its own base has it
        """Somebody is there, and has so long to say what they want."""
        super().connection_made(transport)
        self.on_message_begin()

    def data_received(self, data: bytes) -> None:
        """More of it; what is not whole yet is not handed on, so it is counted here."""
        self._read += len(data)
        super().data_received(data)
        if self._clock is not None and self._read > HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("The header is too long.")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._stop()
        self._read = self._held = 0
        self._clock = self.loop.call_later(self.seconds, self.transport.close)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of it. An error here is answered 400, and the connection closed."""
        super().on_header(name, value)
        self._held += len(name) + len(value)
        if self._held > HEADER_BYTES:
            raise ValueError("too long")

    def on_headers_complete(self) -> None:
        """It is whole."""
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        self._stop()
        super().connection_lost(exc)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
