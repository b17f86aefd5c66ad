"""What stands in for a pager on one machine: an HTTP server that Alertmanager tells of alerts."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it reached a receiver; ``path`` is ``/responder/severity`` of the receiver, whatever its labels say."""

    path: str
    firing: bool
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def name(self) -> str:
        """Which alert."""
        return self.labels["alertname"]


@contextmanager
def listening(hear: Callable[[Alert], None]) -> Iterator[str]:
    """Hear of each alert, on a thread of the server, for the length of the block; its address."""
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            for told in orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"]:
                hear(Alert(self.path, told["status"] == "firing", told["labels"], told["annotations"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's own name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
