"""A consumer that falls silent ends its process, and one that has reason to be quiet does not."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from chaos.burst import Burst
from services.local.child import Child, free_port
from services.local.supervisor import running
from tests.conftest import PARTITIONS
from tests.e2e.site import ANN, Site, approvers, step
from tests.fault.proof import prove
from tests.fault.scene import Scene, ended
from tests.waiting import until

STALL = 2.0
"""Seconds after which a consumer counts as stalled."""
SAID = "consumer stalled"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that notice soon."""
    monkeypatch.setenv("APPROVALFLOW_STALL_SECONDS", str(STALL))


@contextlib.asynccontextmanager
async def about_to_fall_silent(scene: Scene) -> AsyncIterator[tuple[Child, str]]:
    """A process for SIGUSR1, and where it listens."""
    port = free_port()
    environment = {
        "APPROVALFLOW_KAFKA": scene.broker.bootstrap, "APPROVALFLOW_KAFKA_IDEMPOTENT": str(scene.broker.idempotent),
        "APPROVALFLOW_DATABASE": scene.database.dsn("decision"), "APPROVALFLOW_PARTITIONS": str(PARTITIONS),
        "APPROVALFLOW_HTTP_PORT": str(port),
    }
    child = Child("decision", [sys.executable, "-m", "tests.fault.silent"], scene.directory / "silent.log", environment)
    try:
        yield child, f"http://127.0.0.1:{port}"
    finally:
        await child.stop()


async def test_one_that_falls_silent_says_so_ends_and_is_replaced(scene: Scene) -> None:
    load = Burst("silent")
    await scene.prepare(load)
    async with about_to_fall_silent(scene) as (child, address), httpx.AsyncClient() as client:
        await scene.publish(load.beginnings())
        await scene.settled()
        assert (await client.get(f"{address}/health/ready")).json() == {"database": True, "log": True}
        child.send(signal.SIGUSR1)
        await scene.publish(load.endings())
        began = time.monotonic()
        await until(ended(child))
        assert time.monotonic() - began > STALL
        assert child.ended_with == 0
        assert SAID in child.tail(100)
    assert await scene.committed() != await scene.ends("approvalflow.intake.v1")
    async with scene.decision():
        await scene.settled()
    await prove(await scene.evidence(), scene.broker.bootstrap, scene.asked)


async def test_one_that_is_idle_or_whose_handler_takes_long_goes_on(scene: Scene) -> None:
    load = Burst("long")
    await scene.prepare(load)
    await scene.publish(load.beginnings())
    async with scene.decision() as child:
        await scene.settled()
        db = await asyncpg.connect(scene.database.dsn())
        async with db.transaction():
            await db.execute("LOCK TABLE approvals.page IN ACCESS EXCLUSIVE MODE")
            await scene.publish(load.endings())
            await quiet(3 * STALL, child)
            assert await scene.committed() != await scene.ends("approvalflow.intake.v1")
        await db.close()
        await scene.settled()
        await quiet(3 * STALL, child)
        assert SAID not in child.tail(100)


async def quiet(seconds: float, *children: Child) -> None:
    """So many seconds in which none of them ends."""
    end = time.monotonic() + seconds

    async def over() -> bool:
        assert all(child.alive for child in children)
        return time.monotonic() > end

    await until(over, seconds + 5)


async def test_a_broker_that_is_away_for_a_while_is_no_stall(tmp_path_factory: pytest.TempPathFactory) -> None:
    state = tmp_path_factory.mktemp("watchdog")
    async with running(state, services=("command", "decision", "audit_fanout")) as stack, httpx.AsyncClient(timeout=20) as client:
        assert stack.broker.child is not None
        site = Site(stack, client, f"site-{uuid4().hex[:12]}")
        await site.prepare()
        workflow = await site.workflow(step(approvers(ANN)))
        await site.submit("1", workflow)
        await asyncio.gather(*(site.hook("updated", f"other.{n}", 2) for n in range(50)))
        stack.broker.child.send(signal.SIGSTOP)
        try:
            await quiet(4 * STALL, *stack.children.values())
        finally:
            stack.broker.child.send(signal.SIGCONT)
        await back(site)
        await quiet(3 * STALL, *stack.children.values())
        assert all(SAID not in child.log.read_text() for child in stack.children.values())


async def back(site: Site) -> None:
    """Wait until commands are decided again."""

    async def decided() -> bool:
        return (await site.approve("1-1", ANN, key="one", wait=5)).status_code == 200

    await until(decided)
