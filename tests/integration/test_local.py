"""The system under its supervisor: it comes up, keeps what it was told, and leaves nothing running."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import psutil
import pytest

from services.local.broker import Broker
from services.local.child import DidNotStart
from services.local.quarantine import Waiting, release, waiting
from services.local.supervisor import ChildEnded, Stack, running, until_told
from shared.clock import now
from shared.postgres import connect_across_sites
from shared.settings import ServiceSettings

SERVICES = ("command", "decision")
PARENT = """
import asyncio, json, sys
from pathlib import Path
from services.local.supervisor import running
async def main():
    async with running(Path(sys.argv[1]), services=("command",)) as stack:
        children = [stack.postgres.child, stack.broker.child, *stack.children.values()]
        print(json.dumps([c.pid for c in children if c]), flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.05)


async def admins(stack: Stack) -> httpx.Response:
    headers = {"Authorization": f"Bearer {stack.issuer.forge('site')}", "Idempotency-Key": str(uuid4()), "Prefer": "wait=9"}
    async with httpx.AsyncClient(base_url=stack.address("command"), timeout=15) as client:
        body = {"admins": ["ann"], "read_at": now().isoformat()}
        return await client.put("/v1/directory/spaces/1/admins", json=body, headers=headers)


async def recorded(stack: Stack) -> int:
    db = await connect_across_sites(stack.postgres.dsn("console"))
    try:
        return int(await db.fetchval("SELECT count(*) FROM approvals.outcome WHERE reason IS NULL"))
    finally:
        await db.close()


async def test_a_second_start_finds_what_the_first_was_told(state_dir: Path) -> None:
    async with running(state_dir, services=SERVICES) as stack:
        assert (await admins(stack)).json()["result"] == "applied"
        assert set(stack.memory()) == set(SERVICES)
        pids = [child.pid for child in stack.children.values()]
    assert not any(psutil.pid_exists(pid) for pid in pids)
    async with running(state_dir, services=SERVICES) as stack:
        assert await recorded(stack) == 1
        assert (await admins(stack)).json()["result"] == "applied"
        assert await recorded(stack) == 2


async def test_what_waits_in_quarantine_is_listed_and_released(state_dir: Path) -> None:
    async with running(state_dir, services=SERVICES) as stack:
        settings = ServiceSettings(kafka=stack.broker.bootstrap, kafka_idempotent=stack.broker.idempotent)
        owner, console = await asyncpg.connect(stack.postgres.dsn()), await connect_across_sites(stack.postgres.dsn("console"))
        try:
            await owner.execute(
                "INSERT INTO approvals.quarantine (topic, partition, log_offset, key, value, headers, reason, detail)"
                " VALUES ('approvalflow.intake.v1', 0, 999, 'site:7', 'secret words', '[]', 'malformed', 'header: KeyError')"
            )
            [held] = await waiting(console, "site:7")
            assert (held.key, held.reason, held.size) == ("site:7", "malformed", 12)
            assert not {"value", "headers"} & set(Waiting.__dataclass_fields__)
            stays = await release(console, settings, "site:7")
            assert (stays.reason, stays.released, stays.remaining) == (None, 0, 1)
            await release(console, settings, "site:7", set_aside=True)
            assert await waiting(console, "site:7") == []
            assert [w.set_aside for w in await waiting(console, "site:7", aside=True)] == [True]
        finally:
            await owner.close()
            await console.close()


async def test_a_child_that_ends_by_itself_ends_the_run_and_its_log_is_shown(state_dir: Path) -> None:
    async with running(state_dir, services=("command",)) as stack:
        watching = asyncio.create_task(until_told(stack))
        stack.children["command"].send(signal.SIGKILL)
        with pytest.raises(ChildEnded, match="command ended by itself") as ended:
            await asyncio.wait_for(watching, 10)
        assert "started" in str(ended.value)


async def test_nothing_outlives_a_parent_that_is_killed(state_dir: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(state_dir), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    pids = await _pids(parent.stdout)
    assert len(pids) >= 2
    assert all(psutil.pid_exists(pid) for pid in pids)
    parent.kill()
    await parent.wait()
    await until(lambda: not any(_alive(pid) for pid in pids))


async def test_apache_kafka_can_be_insisted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("APPROVALFLOW_REQUIRE_KAFKA", "1")
    monkeypatch.delenv("APPROVALFLOW_KAFKA", raising=False)
    with pytest.raises(DidNotStart, match="Apache Kafka is required"):
        await Broker(tmp_path / "kafka").start()


async def test_without_java_the_broker_is_in_memory_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("APPROVALFLOW_REQUIRE_KAFKA", raising=False)
    monkeypatch.delenv("APPROVALFLOW_KAFKA", raising=False)
    broker = Broker(tmp_path / "broker")
    try:
        await broker.start()
        assert "KEEPS NOTHING" in broker.kind
        assert not broker.idempotent
    finally:
        await broker.stop()


async def _pids(stream: asyncio.StreamReader) -> list[int]:
    async with asyncio.timeout(60):
        async for line in stream:
            if line.startswith(b"["):
                return [int(pid) for pid in json.loads(line)]
    raise AssertionError("the parent ended first")


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
