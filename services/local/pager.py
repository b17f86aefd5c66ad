"""What stands in for a pager on one machine: an HTTP server that Alertmanager tells of alerts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson

from services.local.receiver import receiving


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
    def take(path: str, body: bytes) -> None:
        for told in orjson.loads(body)["alerts"]:
            hear(Alert(path, told["status"] == "firing", told["labels"], told["annotations"]))

    with receiving(take) as address:
        yield address
