"""The state of the whole system as gauges: what only someone who sees every schema and every group can tell."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from services.console import metrics
from services.console.store import operations
from shared.lags import Lag, Lags
from shared.metrics import shown
from shared.postgres import Reading


@dataclass(slots=True)
class Seen:
    """What was seen last."""

    lags: list[Lag] = field(default_factory=list)
    quarantine: list[tuple[str, int, float]] = field(default_factory=list)
    sites: dict[str, int] = field(default_factory=dict)
    facts: list[tuple[str, int, int]] = field(default_factory=list)


class Watch:
    """Looks now and then, and shows what it saw until the next look."""

    def __init__(self, sites: Reading, lags: Lags, oldest: Callable[[], datetime]) -> None:
        self._sites = sites
        self._lags = lags
        self._oldest = oldest
        self._seen = Seen()

    async def look(self) -> None:
        """Look at each part, whatever becomes of the others; what could not be looked at stays as it was seen last.

        :raises KafkaError: the broker does not say.
        """
        looks = {
            "lags": self._lags.look(), "quarantine": operations.quarantine(self._sites), "sites": operations.sites(self._sites),
            "facts": operations.facts(self._sites, self._oldest()),
        }
        found = dict(zip(looks, await asyncio.gather(*looks.values(), return_exceptions=True), strict=True))
        for name, seen in found.items():
            if not isinstance(seen, BaseException):
                setattr(self._seen, name, seen)
        for error in found.values():
            if isinstance(error, BaseException):
                raise error

    def shown(self) -> AbstractContextManager[None]:
        """Show it for the length of the block."""
        return shown((
            (metrics.GROUP_LAG, lambda: [(lag.total, {"group": lag.group}) for lag in self._seen.lags if lag.begun]),
            (metrics.QUARANTINE, lambda: [(records, {"service": service}) for service, records, _ in self._seen.quarantine]),
            (metrics.QUARANTINE_AGE, lambda: [(age, {"service": service}) for service, _, age in self._seen.quarantine]),
            (metrics.SITES, lambda: [(count, {"licence": state}) for state, count in self._seen.sites.items()]),
            (metrics.FACTS, lambda: [
                (count, {"kind": kind, "fresh": fresh}) for kind, *counts in self._seen.facts
                for fresh, count in zip(("yes", "no"), counts, strict=True)
            ]),
        ))
