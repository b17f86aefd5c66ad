"""Told to stop under load, every service has ended in time, whatever does not answer; nothing accepted is lost by it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from services.local.proof.gather import gather
from services.local.supervisor import SERVICES, Stack, running
from tests.e2e.site import ANN, AUTHOR, SPACE, Site, approvers, step
from tests.fault.proof import guarantees_hold
from tests.fault.servers import Back, both_hung, broker_hung, hung, none_hung, stopped
from tests.waiting import until

BOUND = 10.0
"""Seconds that a service may take to end."""
AT_ONCE = 8


@pytest_asyncio.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A system whose services may be stopped."""
    async with running(tmp_path_factory.mktemp("shutdown")) as started:
        yield started


@pytest_asyncio.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """As many connections as there are callers."""
    async with httpx.AsyncClient(timeout=20, limits=httpx.Limits(max_connections=None)) as ready:
        yield ready


async def a_site(stack: Stack, client: httpx.AsyncClient) -> tuple[Site, str]:
    """A site with a workflow."""
    site = Site(stack, client, f"site-{uuid4().hex[:12]}")
    await site.prepare()
    return site, await site.workflow(step(approvers(ANN)))


async def submit(site: Site, workflow: str, page: str, wait: int) -> httpx.Response:
    """A page put up for approval, under a key of its own."""
    body = {"page_version": 1, "space_id": SPACE, "workflow_id": workflow}
    return await site.send("POST", f"/v1/pages/{page}/approvals", body, AUTHOR, key=page, wait=wait)


@contextlib.asynccontextmanager
async def loaded(site: Site, workflow: str) -> AsyncIterator[list[httpx.Response]]:
    """Pages are put up for approval one after another; what was answered."""
    answers: list[httpx.Response] = []
    numbers = iter(range(1 << 30))

    async def one() -> None:
        for number in numbers:
            with contextlib.suppress(httpx.TransportError):
                answers.append(await submit(site, workflow, f"page.{number}", wait=number % 2))
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(AT_ONCE)]
        yield answers
        for task in tasks:
            task.cancel()


async def told_to_stop(stack: Stack) -> dict[str, float]:
    """Tell every service at once; how many seconds each took to end."""
    began, took = time.monotonic(), dict[str, float]()
    for child in stack.children.values():
        child.send(signal.SIGTERM)

    async def all_ended() -> bool:
        for name, child in stack.children.items():
            if not child.alive:
                took.setdefault(name, time.monotonic() - began)
        return len(took) == len(stack.children)

    await until(all_ended, 2 * BOUND)
    return took


async def started_again(stack: Stack) -> None:
    """Every service, from what is stored."""
    for name in SERVICES:
        stack.start_service(name)
    await asyncio.gather(*(stack.wait_ready(name) for name in SERVICES))


@pytest.mark.parametrize("outage", [none_hung, hung, stopped, broker_hung, both_hung])
async def test_all_have_ended_in_time_and_go_on_where_they_were(
    stack: Stack, client: httpx.AsyncClient, outage: Callable[[Stack], Awaitable[Back]],
) -> None:
    site, workflow = await a_site(stack, client)
    async with loaded(site, workflow) as answers:
        async def under_way() -> bool:
            return len(answers) > 100

        await until(under_way)
        back = await outage(stack)
        try:
            took = await told_to_stop(stack)
        finally:
            await back()
    assert max(took.values()) < BOUND, took
    if outage is none_hung:
        assert {child.ended_with for child in stack.children.values()} == {0}, took

    await started_again(stack)
    accepted = {r.json()["command_id"] for r in answers if r.is_success}
    assert len(accepted) > 100

    async def done() -> bool:
        found = await gather(stack.postgres.dsn(), stack.broker.bootstrap)
        return accepted <= {entry["id"] for entry in found.entries}

    await until(done, 60)
    guarantees_hold(await gather(stack.postgres.dsn(), stack.broker.bootstrap))


async def test_who_waits_for_an_outcome_is_answered_before_the_end(stack: Stack, client: httpx.AsyncClient) -> None:
    site, workflow = await a_site(stack, client)
    await stack.children["decision"].stop()
    waiting = [asyncio.create_task(submit(site, workflow, f"page.{number}", wait=10)) for number in range(AT_ONCE)]

    async def accepted() -> bool:
        found = await gather(stack.postgres.dsn(), stack.broker.bootstrap)
        return sum(m.key.startswith(f"{site.id}:page.") for m in found.intake) == AT_ONCE

    await until(accepted)
    assert not any(each.done() for each in waiting)
    began = time.monotonic()
    await stack.children["command"].stop()
    assert {response.status_code for response in await asyncio.gather(*waiting)} == {202}
    assert time.monotonic() - began < BOUND / 2
    await asyncio.gather(*(child.stop() for child in stack.children.values()))
    await started_again(stack)
