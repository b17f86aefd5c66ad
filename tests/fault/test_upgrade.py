"""The release before and this one side by side under load, the schema changed under both: no promise is broken meanwhile."""

import asyncio
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from chaos.burst import Burst
from services.local.child import Child, free_port
from services.local.proof.gather import gather
from services.local.quiet import until_quiet
from shared import postgres
from tests.conftest import PARTITIONS
from tests.fault.proof import guarantees_hold
from tests.fault.scene import Scene, opened
from tests.stack import Database, Log, fresh_topics
from tests.waiting import until

ROOT = Path(__file__).parents[2]
FIRST = "86e7f22e96d85d7d7374868d710f94fd02a92ddd"
"""What stands for the release before, until there is one with a tag: the last commit with the first schema."""
LONG = 120.0
COUNTED = {"decision": "approvalflow_decision_outcomes_total", "audit_fanout": "approvalflow_audit_recorded_total"}
"""What each service counts of what it did."""


def release_before() -> str:
    """The commit of the release before."""
    asked = ["git", "describe", "--tags", "--abbrev=0", "--match=v*", "HEAD^"]
    tags = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own repository
    return tags.stdout.strip() or FIRST


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the release before."""
    if shutil.which("git") is None:
        pytest.skip("THE RELEASE BEFORE IS NOT HERE: install git")
    directory, commit = tmp_path_factory.mktemp("before"), release_before()
    asked = ["git", "archive", commit, "services", "shared"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False)  # noqa: S603 - our own repository
    if done.returncode:
        pytest.skip(f"THE RELEASE BEFORE IS NOT HERE: this clone has no commit {commit}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as source:
        source.extractall(directory, filter="data")
    return directory


@dataclass
class Upgrade:
    """The processes of both releases over one log and one database."""

    scene: Scene
    before: Path
    archive: Path
    ports: dict[str, int] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)

    def start(self, name: str, release: Path) -> None:
        """Start a process, such as ``decision-1``, from the source of a release."""
        service = name.partition("-")[0]
        self.ports[name] = free_port()
        scene = self.scene
        settings = {
            "KAFKA": scene.broker.bootstrap, "KAFKA_IDEMPOTENT": str(scene.broker.idempotent), "PARTITIONS": str(PARTITIONS),
            "DATABASE": scene.database.dsn(service), "HTTP_PORT": str(self.ports[name]), "ARCHIVE_URL": self.archive.as_uri(),
            "ARCHIVE_SECONDS": "0.5", "CHECKPOINT_SECONDS": "0.5",
        }
        environment = {f"APPROVALFLOW_{key}": value for key, value in settings.items()} | {"PYTHONPATH": str(release)}
        command = [sys.executable, "-P", "-m", f"services.{service}"]  # -P: from there, and not from the present directory
        self.children[name] = Child(name, command, scene.directory / f"{name}.log", environment)

    async def works(self, *names: str) -> None:
        """Wait until each of these has done some more."""
        counted = {name: await self._counted(name) for name in names}

        async def more(name: str) -> bool:
            assert self.children[name].alive, self.children[name].tail()
            return await self._counted(name) > counted[name]

        await asyncio.gather(*(until(partial(more, name), LONG) for name in names))

    async def stop(self, name: str) -> None:
        """Stop a process as whoever replaces it does."""
        child = self.children.pop(name)
        await child.stop()
        assert child.ended_with == 0, child.tail()

    async def _counted(self, name: str) -> float:
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                text = (await client.get(f"http://127.0.0.1:{self.ports[name]}/metrics")).text
        except httpx.HTTPError:
            return 0.0
        wanted = COUNTED[name.partition("-")[0]]
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(sample.value for sample in samples if sample.name == wanted)

    @contextlib.asynccontextmanager
    async def loaded(self) -> AsyncIterator[None]:
        """Approvals of every fate, one burst after another, for the length of the block."""

        async def flow() -> None:
            for number in count(1):
                before, load, after = (Burst(f"load{n}", 6) for n in (number - 1, number, number + 1))
                await self.scene.publish([*before.releases(), *after.workflows(), *load.beginnings()])
                await self.scene.publish(load.endings())
                await asyncio.sleep(0.25)

        first = Burst("load1", 6)
        await self.scene.publish([*first.directory(), *first.workflows()])
        flowing = asyncio.create_task(flow())
        try:
            yield
        finally:
            flowing.cancel()
            await asyncio.wait({flowing})
        if not flowing.cancelled():
            flowing.result()


@pytest_asyncio.fixture
async def upgrade(broker: Log, postgres: Database, before: Path, tmp_path: Path) -> AsyncIterator[Upgrade]:
    """The schema of the release before, and nobody there yet."""
    await fresh_topics(broker.bootstrap, PARTITIONS)
    database = await postgres.create(f"upgrade_{uuid4().hex[:8]}", "template1")
    await migrated(before, database)
    async with opened(broker, database, tmp_path) as scene:
        ready = Upgrade(scene, before, tmp_path / "archive")
        try:
            yield ready
        finally:
            await asyncio.gather(*(child.stop() for child in ready.children.values()))
    await postgres.drop(database.name)


async def migrated(release: Path, database: Database) -> None:
    """Bring the schema up to a release, by its own command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "services.cli", "migrate", "--database", database.dsn(),
        env={**os.environ, "PYTHONPATH": str(release)}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    said = (await asyncio.wait_for(process.communicate(), LONG))[0].decode()
    assert process.returncode == 0, said


async def applied(database: Database) -> int:
    """How many migrations there are by now."""
    db = await asyncpg.connect(database.dsn())
    try:
        return int(await db.fetchval("SELECT count(*) FROM _pogo_migration"))
    finally:
        await db.close()


@pytest.mark.timeout(600)
async def test_one_process_after_another_is_replaced_under_load(upgrade: Upgrade) -> None:
    old, new = upgrade.before, ROOT
    assert await applied(upgrade.scene.database) < len(list(postgres.SCHEMA.glob("*.sql")))
    for name in ("decision-1", "decision-2", "audit_fanout-1"):
        upgrade.start(name, old)
    async with upgrade.loaded():
        await upgrade.works("decision-1", "decision-2", "audit_fanout-1")
        await migrated(new, upgrade.scene.database)
        await upgrade.works("decision-1", "decision-2", "audit_fanout-1")
        await upgrade.stop("decision-1")
        upgrade.start("decision-3", new)
        upgrade.start("audit_fanout-2", new)
        await upgrade.works("decision-2", "decision-3", "audit_fanout-1", "audit_fanout-2")
        await upgrade.stop("decision-2")
        await upgrade.stop("audit_fanout-1")
        await upgrade.works("decision-3", "audit_fanout-2")
    await until_quiet(upgrade.scene.broker.bootstrap, LONG)
    found = await gather(upgrade.scene.database.dsn(), upgrade.scene.broker.bootstrap, upgrade.archive)
    guarantees_hold(found)
    assert found.whole and len(found.outcomes) > 100
