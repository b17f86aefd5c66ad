"""Pure: the state of the system as operators see it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a service says that it is ready; if not, why."""

    name: str
    ready: bool
    why: str


@dataclass(frozen=True, slots=True)
class Last:
    """An audit entry as operators see it: identifiers, and the reason if it is a refusal."""

    recorded_at: datetime
    event_type: str
    reason: str | None
    site_id: str
    space_id: str | None
    page_id: str | None
    workflow_id: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """What waits in quarantine under one key, and what is wrong with the first of it."""

    service: str
    key: str
    count: int
    since: datetime
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """How many records wait in all, and the keys that have waited longest."""

    total: int
    keys: Sequence[Held]

    def elsewhere(self) -> int:
        """How many wait under keys that are not among these."""
        return self.total - sum(held.count for held in self.keys)


class Growth:
    """How fast something that only grows does, from looking at it now and then."""

    def __init__(self, looks: int = 41, apart: float = 1.0) -> None:
        self._looks: deque[tuple[float, int]] = deque(maxlen=looks)
        self._apart = apart

    def look(self, at: float, total: int) -> None:
        """Remember a total, at a time in seconds; too soon after the last look it would say little."""
        if not self._looks or at - self._looks[-1][0] >= self._apart:
            self._looks.append((at, total))

    def rates(self) -> Sequence[tuple[float, float]]:
        """The seconds between each two looks, and the growth a second, oldest first."""
        pairs = zip(self._looks, list(self._looks)[1:], strict=False)
        return [(b[0] - a[0], (b[1] - a[1]) / (b[0] - a[0])) for a, b in pairs]
