"""The database is away under load: commands are accepted up to a bound, and all of them happen once when it is back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from services.local.proof.gather import gather
from services.local.supervisor import Stack, running
from tests.e2e.site import ANN, Site, approvers, refused, step
from tests.fault.proof import guarantees_hold
from tests.fault.servers import Back, hung, stopped
from tests.waiting import until

LIMIT = 150
"""Records that may wait for ``decision``."""
AT_ONCE = 10
PAGES = 40
SLACK = 2 * 60 * AT_ONCE
"""How many may come beyond the limit: what is accepted between two looks at how many wait."""
BOUND = 5.0
"""Seconds that Confluence gives a remote to answer."""
HAMMERED = 4.0
"""Seconds of requests that are turned away."""
GROWTH = 24 << 20


@pytest_asyncio.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A system of its own, with room for few records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APPROVALFLOW_ACTOR_REQUESTS", "0")  # one person asks for all of it
        patch.setenv("APPROVALFLOW_BACKLOG_LIMIT", str(LIMIT))
        patch.setenv("APPROVALFLOW_DATABASE_SECONDS", "0.5")
        async with running(tmp_path_factory.mktemp("backpressure"), services=("command", "decision", "audit_fanout")) as started:
            yield started


@pytest_asyncio.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """As many connections as there are callers."""
    async with httpx.AsyncClient(timeout=20, limits=httpx.Limits(max_connections=None)) as ready:
        yield ready


@dataclass
class Load:
    """Approvals, asked for by one request after another on each of a few connections."""

    site: Site
    name: str
    accepted: dict[str, str] = field(default_factory=dict)
    turned_away: list[httpx.Response] = field(default_factory=list)
    slowest: float = 0.0

    async def decide(self, number: int, key: str | None = None, wait: int = 0) -> httpx.Response:
        """Ann approves a page, under a key of its own."""
        key, began = key or f"{self.name}-{number}", time.monotonic()
        response = await self.site.approve(f"{self.name}.{number % PAGES}-1", ANN, key=key, wait=wait)
        self.slowest = max(self.slowest, time.monotonic() - began)
        if response.is_success:
            assert self.accepted.setdefault(key, response.json()["command_id"]) == response.json()["command_id"]
        elif response.status_code == 503:
            self.turned_away.append(response)
        return response

    @asynccontextmanager
    async def running(self, first: int) -> AsyncIterator[None]:
        """Ask on and on for the length of the block."""
        numbers = iter(range(first, 1 << 30))

        async def one() -> None:
            for number in numbers:
                await self.decide(number)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(AT_ONCE)]
            yield
            for task in tasks:
                task.cancel()


@pytest.mark.parametrize("outage", [hung, stopped])
async def test_accepted_up_to_the_bound_and_done_once(
    stack: Stack, client: httpx.AsyncClient, outage: Callable[[Stack], Awaitable[Back]],
) -> None:
    name = outage.__name__
    site = Site(stack, client, f"site-{uuid4().hex[:12]}")
    await site.prepare()
    workflow = await site.workflow(step(approvers(ANN)))
    for number in range(PAGES):
        await site.submit(f"{name}.{number}", workflow)
    load = Load(site, name)
    before = await load.decide(0, wait=10)
    assert before.status_code == 200

    back = await outage(stack)
    at_first = stack.memory()
    assert [(await load.decide(0)).status_code, (await load.decide(1)).status_code, (await load.decide(1)).status_code] == [202] * 3
    assert (await site.hook("updated", "elsewhere", 2)).status_code == 204
    async with load.running(2):
        async def full() -> bool:
            return bool(load.turned_away)

        await until(full)
        held, until_then = len(load.accepted), time.monotonic()

        async def hammered() -> bool:
            return time.monotonic() - until_then > HAMMERED

        await until(hammered)
    assert LIMIT * 0.8 < held < LIMIT + SLACK
    assert load.slowest < BOUND
    for response in load.turned_away:
        refused(response, 503, "unavailable")
        assert int(response.headers["retry-after"]) > 0
    refused(await site.hook("updated", "elsewhere", 3), 503, "unavailable")
    grown = {service: after - at_first[service] for service, after in stack.memory().items()}
    assert max(grown.values()) < GROWTH, grown

    await back()

    async def drained() -> bool:
        return (await load.decide(PAGES + 1, key="drained")).is_success

    await until(drained, 60)
    again = await load.decide(0, wait=10)
    assert (again.status_code, again.content) == (200, before.content)
    during = await load.decide(1, wait=10)
    assert (during.status_code, during.json()["result"]) == (200, "applied")
    await everything_is_done(stack, load)


async def everything_is_done(stack: Stack, load: Load) -> None:
    """Everything accepted has its one outcome, audited; each page is approved once."""
    ids = set(load.accepted.values())
    assert len(ids) == len(load.accepted)

    async def audited() -> bool:
        found = await gather(stack.postgres.dsn(), stack.broker.bootstrap)
        return ids <= {entry["id"] for entry in found.entries}

    await until(audited, 60)
    found = await gather(stack.postgres.dsn(), stack.broker.bootstrap)
    guarantees_hold(found)
    assert all(len([o for o in found.outcomes if o["id"] == each]) == 1 for each in ids)
    pages = {p["page_id"]: (p["status"], p["version"]) for p in found.pages if p["page_id"].startswith(f"{load.name}.")}
    assert pages == {f"{load.name}.{n}": ("approved", 2) for n in range(PAGES)}
