"""What each service tells of itself at ``/metrics``, over a short window: enough to judge it by where no Prometheus is."""

import asyncio
import re
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from services.console import metrics
from services.console.domain.reading import Reading, Samples

WINDOW_SECONDS = 300.0
"""How far back what was seen is remembered."""
_WANTED = re.compile(
    r"approvalflow_(command_(admissions|webhooks)_total|command_publish_duration_seconds_count|decision_outcomes_total"
    r"|(decision|audit)_age_seconds_(bucket|count)|audit_(recorded_total|chain_broken|verified|verified_age_seconds)"
    r"|retention_removed_total)[ {]"
)


class Signals:
    """Reads them now and then. A process that was started anew begins anew."""

    def __init__(self, client: httpx.AsyncClient, services: Mapping[str, str], seconds: float) -> None:
        self._client = client
        self._services = services
        self._seconds = seconds
        self._seen: defaultdict[str, deque[tuple[float, Samples]]] = defaultdict(deque)

    async def look(self) -> None:
        """Read what every service shows, side by side; of one that does not answer, nothing is remembered."""
        with metrics.look("signals"):
            await asyncio.gather(*(self._read(name, address) for name, address in self._services.items()))

    def readings(self) -> dict[str, Reading]:
        """What each service told, of those that have been read twice."""
        found = {}
        for name, seen in self._seen.items():
            if len(seen) > 1:
                (began, first), (ended, last) = seen[0], seen[-1]
                found[name] = Reading(ended - began, first, last)
        return found

    async def _read(self, name: str, address: str) -> None:
        seen = self._seen[name]
        try:
            async with asyncio.timeout(self._seconds):
                answer = (await self._client.get(f"{address}/metrics", timeout=self._seconds)).raise_for_status()
            told = dict(samples(answer.text))
        except (httpx.HTTPError, TimeoutError, ValueError):
            seen.clear()
            return
        at = time.monotonic()
        if seen and any(told.get(sample, 0.0) < value for sample, value in seen[-1][1].items() if counts(sample[0])):
            seen.clear()
        seen.append((at, told))
        while at - seen[0][0] > WINDOW_SECONDS:
            seen.popleft()


def samples(text: str) -> Iterator[tuple[tuple[str, tuple[tuple[str, str], ...]], float]]:
    """The values that matter here, out of what a service shows.

    :raises ValueError: it is not in Prometheus's format.
    """
    for family in text_string_to_metric_families("\n".join(line for line in text.splitlines() if _WANTED.match(line)) + "\n"):
        for sample in family.samples:
            labels = sorted((name, value) for name, value in sample.labels.items() if not name.startswith("otel_"))
            yield (sample.name, tuple(labels)), sample.value


def counts(name: str) -> bool:
    """Can it only rise, for as long as the process lives?"""
    return name.endswith(("_total", "_count", "_bucket"))
