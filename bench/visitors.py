"""A process that visits the HTTP API, open loop: every arrival has its moment in advance, and waiting for it counts.

Each request has a token of its own, signed before the first is sent. Every fifth is a webhook, of a page that was created;
the others are decisions whose callers wait for the outcome.
"""

import asyncio
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp
import orjson
import uvloop
from hdrh.histogram import HdrHistogram
from pydantic import BaseModel

from bench.load import Shape
from bench.visible import histogram
from services.local.issuer import LocalIssuer
from services.local.site.bodies import page_hook
from services.local.site.world import Page, Site
from shared.process import tune_collector

_HOOK_EACH = 5
_TOKEN_SECONDS = 600.0
"""The tokens live longer than Atlassian's, since all are signed in advance; verifying one costs the same."""
_GIVE_UP_SECONDS = 15.0
_BODY = orjson.dumps({"page_version": 1, "verdict": "approve"})
DECIDE, HOOK = "decide", "webhook"


class Visit(BaseModel):
    """Whom to visit, how often a second, for how long; the site's pages are open approvals, numbered from 0."""

    address: str
    state: Path
    site: str
    pages: int
    rate: float
    seed: int = 1


class Spread(BaseModel):
    """Milliseconds from the moment fixed in advance."""

    count: int = 0
    p50: float = 0.0
    p99: float = 0.0
    most: float = 0.0


class Visited(BaseModel):
    """What came of it. ``lag`` is how late requests were sent, ``cpu`` the share of one core that the visitors took."""

    latency: dict[str, Spread]
    lag: Spread
    answers: dict[str, int]
    cpu: float


@dataclass(frozen=True, slots=True)
class Request:
    """One arrival, ready to be sent."""

    after: float
    kind: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Seen:
    """What visitors saw."""

    latency: dict[str, HdrHistogram] = field(default_factory=lambda: {DECIDE: histogram(), HOOK: histogram()})
    lag: HdrHistogram = field(default_factory=histogram)
    answers: Counter[str] = field(default_factory=Counter)


def arrivals(visit: Visit) -> Iterator[Request]:
    """All requests in order, at random moments of the rate wanted: every page gets its votes one after another."""
    issuer, random, after = LocalIssuer.load_or_create(visit.state), Random(visit.seed), 0.0  # noqa: S311 - made to be repeated
    site = Site(visit.site, "forge", "100", "101", "none", {}, "9")
    for number, (voter, page) in enumerate((v, p) for v in Shape().voters() for p in range(visit.pages)):
        if number % (_HOOK_EACH - 1) == 0:
            after += random.expovariate(visit.rate)
            yield _hook(issuer, site, number, after)
        after += random.expovariate(visit.rate)
        headers = _signed(issuer, site, voter) | {"Idempotency-Key": f"{visit.site}-{number}", "Prefer": "wait=10"}
        yield Request(after, DECIDE, f"/v1/approvals/{page}-1/decisions", headers, _BODY)


def _hook(issuer: LocalIssuer, site: Site, number: int, after: float) -> Request:
    hook = page_hook(site, Page(f"9{number:09}", site.space, "author"), "created", "author", site.tick())
    return Request(after, HOOK, hook.path, _signed(issuer, site, None), orjson.dumps(hook.body))


def _signed(issuer: LocalIssuer, site: Site, account: str | None) -> dict[str, str]:
    token = issuer.forge(site.id, account, lifetime=_TOKEN_SECONDS)
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


async def visit(order: Visit) -> Visited:
    """Send everything at its moment, and wait for the last answer."""
    requests, seen = list(arrivals(order)), Seen()
    loop, connector = asyncio.get_running_loop(), aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=_GIVE_UP_SECONDS)
    async with aiohttp.ClientSession(order.address, connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as group:
        before, start = _cpu(), loop.time() + 0.05
        for request in requests:
            moment = start + request.after
            await asyncio.sleep(max(0.0, moment - loop.time()))
            group.create_task(_send(session, request, moment, seen))
    cpu = (_cpu() - before) / (loop.time() - start)
    latency = {kind: _spread(found) for kind, found in seen.latency.items()}
    return Visited(latency=latency, lag=_spread(seen.lag), answers=dict(seen.answers), cpu=cpu)


async def _send(session: aiohttp.ClientSession, request: Request, moment: float, seen: Seen) -> None:
    loop = asyncio.get_running_loop()
    seen.lag.record_value(max(1, int(1e6 * (loop.time() - moment))))
    try:
        async with session.post(request.path, data=request.body, headers=request.headers) as response:
            await response.read()
            answer = str(response.status)
    except (aiohttp.ClientError, TimeoutError) as error:
        answer = type(error).__name__
    seen.answers[answer] += 1
    seen.latency[request.kind].record_value(max(1, int(1e6 * (loop.time() - moment))))


def _spread(found: HdrHistogram) -> Spread:
    def at(percent: float) -> float:
        return float(found.get_value_at_percentile(percent)) / 1000

    return Spread(count=found.get_total_count(), p50=at(50), p99=at(99), most=at(100))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    tune_collector()
    print(uvloop.run(visit(Visit.model_validate_json(sys.argv[1]))).model_dump_json())
