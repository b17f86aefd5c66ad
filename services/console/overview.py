"""One look at the whole system: each part gathered by itself, in parallel and in bounded time."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import httpx
import structlog
from aiokafka.errors import KafkaError

from services.console import metrics
from services.console.domain.flow import Hop, hops
from services.console.domain.objectives import Judged, judged
from services.console.domain.state import Growth, Last, Quarantine, Readiness
from services.console.signals import Signals
from services.console.store import operations
from shared import postgres
from shared.clock import now
from shared.lags import Lag, Lags
from shared.postgres import Reading

T = TypeVar("T")
LAST, HELD = 20, 50
"""How many of the last outcomes, and of the keys in quarantine, are shown."""


@dataclass(frozen=True, slots=True)
class View:
    """What was seen; a part that could not be looked at is None."""

    at: datetime
    services: list[Readiness]
    flow: dict[str, Hop]
    objectives: list[Judged]
    lags: list[Lag] | None
    recorded: int | None
    rates: list[tuple[float, float]]
    last: list[Last] | None
    held: Quarantine | None

    def troubles(self) -> list[str]:
        """What an operator should look into, most urgent first."""
        found = [f"{service.name} is not ready" for service in self.services if not service.ready]
        found += ["the database does not answer"] if self.recorded is None or self.last is None or self.held is None else []
        found += ["the broker does not answer"] if self.lags is None else []
        waiting = self.held is not None and self.held.total
        return found + ([f"{waiting} in quarantine"] if waiting else [])


class Overview:
    """Looks. Between looks it only remembers how far the audit log had come."""

    def __init__(
        self, sites: Reading, lags: Lags, client: httpx.AsyncClient, services: Mapping[str, str], signals: Signals, seconds: float
    ) -> None:
        self._sites = sites
        self._lags = lags
        self._client = client
        self._services = services
        self._signals = signals
        self._seconds = seconds
        self._growth = Growth()

    async def look(self) -> View:
        """What can be seen now, within the time given for each part."""
        lags, recorded, last, held, services = await asyncio.gather(
            self._part("lags", self._lags.look()),
            self._part("recorded", operations.recorded(self._sites)),
            self._part("last", operations.last(self._sites, LAST)),
            self._part("held", operations.held(self._sites, HELD)),
            self._readiness(),
        )
        if recorded is not None:
            self._growth.look(time.monotonic(), recorded)
        readings = self._signals.readings()
        behind = {lag.group: lag.total for lag in lags or () if lag.begun}
        return View(now(), services, hops(readings, behind), judged(readings), lags, recorded, list(self._growth.rates()), last, held)

    async def _part(self, name: str, looking: Awaitable[T]) -> T | None:
        try:
            with metrics.look(name):
                return await asyncio.wait_for(looking, self._seconds)
        except (*postgres.UNAVAILABLE, KafkaError, OSError) as error:
            structlog.get_logger().warning("not available", kind=name, error=type(error).__name__)
            return None

    async def _readiness(self) -> list[Readiness]:
        return await asyncio.gather(*(self._ready(name, address) for name, address in self._services.items()))

    async def _ready(self, name: str, address: str) -> Readiness:
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._client.get(f"{address}/health/ready", timeout=self._seconds)
            checks: dict[str, bool] = answer.json()
            failed = [check for check, good in checks.items() if good is not True]
        except (httpx.HTTPError, TimeoutError):
            return Readiness(name, False, "no answer")
        except (ValueError, AttributeError):
            return Readiness(name, False, "an answer that is none")
        return Readiness(name, answer.status_code == httpx.codes.OK and not failed, ", ".join(failed) or "not ready")
