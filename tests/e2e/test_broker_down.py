"""The broker stops answering: callers are told so in time, and what they asked for happens once when it is back."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from services.local.proof.gather import gather
from services.local.supervisor import Stack, running
from tests.e2e.site import ANN, AUTHOR, SPACE, Site, approvers, refused, step
from tests.waiting import until

MOST = 20
"""Requests that are admitted at once."""
ASKED = 3 * MOST
BOUND = 5.0
"""Seconds that Confluence gives a remote to answer."""


@pytest_asyncio.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A system whose broker may be stopped, with room for few requests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APPROVALFLOW_MAX_IN_FLIGHT", str(MOST))
        async with running(tmp_path_factory.mktemp("broker-down"), services=("command", "decision")) as started:
            yield started


async def in_flight(site: Site) -> float:
    """How many requests are being admitted, as the service counts them."""
    metrics = (await site.client.get(site.stack.address("command") + "/metrics")).text
    [line] = [line for line in metrics.splitlines() if line.startswith("approvalflow_command_in_flight")]
    return float(line.rpartition(" ")[2])


async def submit(site: Site, workflow: str, number: int) -> httpx.Response:
    """Page ``number`` put up for approval, under a key that is always the same."""
    body = {"page_version": 1, "space_id": SPACE, "workflow_id": workflow}
    return await site.send("POST", f"/v1/pages/{number}/approvals", body, AUTHOR, key=f"page-{number}")


async def test_a_broker_that_does_not_answer_costs_a_503_in_time_and_nothing_else(stack: Stack, client: httpx.AsyncClient) -> None:
    site = Site(stack, client, f"site-{uuid4().hex[:12]}")
    await site.prepare()
    workflow = await site.workflow(step(approvers(ANN)))
    assert stack.broker.child is not None
    stack.broker.child.send(signal.SIGSTOP)
    try:
        began = time.monotonic()
        asking = asyncio.gather(*(submit(site, workflow, n) for n in range(ASKED)), site.hook("updated", "7", 2))
        seen = []
        while not asking.done():
            seen.append(await in_flight(site))
        assert time.monotonic() - began < BOUND
        for response in await asking:
            refused(response, 503, "unavailable")
            assert int(response.headers["retry-after"]) > 0
        assert max(seen) == MOST
        assert await in_flight(site) == 0
        ready = await client.get(stack.address("command") + "/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"database": True, "log": False})
    finally:
        stack.broker.child.send(signal.SIGCONT)

    async def back() -> bool:
        return (await client.get(stack.address("command") + "/health/ready")).status_code == httpx.codes.OK

    await until(back)
    answers = [await submit(site, workflow, n) for n in range(ASKED)]
    assert {(r.status_code, r.json().get("version")) for r in answers} == {(200, 1)}
    found = await gather(stack.postgres.dsn(), stack.broker.bootstrap)
    told = {m.id: m.value for m in found.events}
    ids = [r.json()["command_id"] for r in answers]
    assert len(set(ids)) == ASKED
    assert all(len([o for o in found.outcomes if o["id"] == each]) == 1 and each in told for each in ids)
    assert {(p["version"], p["run"]) for p in found.pages if p["page_id"] != "7"} == {(1, 1)}
