"""The audit store made again from the archive and the log: each chain has the hashes it had, and what is missing is said."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from typer.testing import CliRunner

from services.audit_fanout.archived import Archived
from services.audit_fanout.checkpoints import take
from services.audit_fanout.sinks import Archive
from services.cli import app
from shared.contracts.events import QuarantineReleased
from shared.contracts.topics import EVENTS
from shared.postgres import connect_pool
from tests import stack
from tests.builders import SITE
from tests.conftest import PARTITIONS
from tests.fault.procedure import Procedure
from tests.integration.audit_log import an_event, outgoing, publisher, recorded, running
from tests.waiting import until

LONG = 120


@dataclass(frozen=True)
class Past:
    """A store, the name of the store as it was half-way, and the archive beside it."""

    whole: stack.Database
    half: str
    archive: Path

    def spoilt(self, directory: Path, pattern: str) -> tuple[Path, Path]:
        """A copy of the archive, and the first of these files in it."""
        copy = Path(shutil.copytree(self.archive, directory / "archive"))
        return copy, min(copy.glob(pattern))


async def rows(database: stack.Database, table: str) -> list[tuple[Any, ...]]:
    """A table's rows, without when they came to be there."""
    db = await asyncpg.connect(database.dsn())
    try:
        found = await db.fetch(f"SELECT to_jsonb(t) - 'recorded_at' - 'held_at' - 'released_at' FROM audit.{table} t ORDER BY 1")
        return [tuple(row) for row in found]
    finally:
        await db.close()


async def checkpointed(database: stack.Database, archive: Path) -> None:
    """Take a checkpoint."""
    async with await connect_pool(database.dsn("audit_fanout"), 1, "test") as pool:
        assert await take(pool, Archive(archive.as_uri())) is not None


@pytest_asyncio.fixture(scope="module")
async def past(
    broker: stack.Log, postgres: stack.Database, database: stack.Database, topics: list[str], tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Past]:
    """Events on every partition, some told twice, one that could not be read until it was released, one that never can be."""
    archive, half = tmp_path_factory.mktemp("archive"), f"half_{uuid4().hex[:8]}"
    first, second, late = [an_event(f"p{n}") for n in range(60)], [an_event(f"q{n}") for n in range(60)], an_event("late")
    release = QuarantineReleased(site_id=SITE, command_id=str(uuid4()), occurred_at=late.occurred_at, released=0, remaining=0)
    async with publisher(broker.bootstrap, idempotent=broker.idempotent) as publishes:
        for part in (first, second):
            db = await asyncpg.connect(database.dsn())
            async with running(broker.bootstrap, database.dsn("audit_fanout"), archive_url=archive.as_uri()):
                await publishes.publish(outgoing(e, n % PARTITIONS) for n, e in enumerate([*part, *part[:20]]))
                await recorded(db, part, LONG)
                if part is second:
                    never = outgoing(an_event(), value=b"{", key=b"site-1:never")
                    await publishes.publish([outgoing(late, value=b"[]", key=b"site-1:late"), never, outgoing(end := an_event("end"))])
                    await recorded(db, [end], LONG)
                    await db.execute("UPDATE audit.quarantine SET value = $1 WHERE key = 'site-1:late'", outgoing(late).value)
                    await publishes.publish([outgoing(release, key=b"site-1:late"), outgoing(end := an_event("very-end"))])
                    await recorded(db, [late, release, end], LONG)
                await until(partial(archived, archive, db), LONG)
            await db.close()
            await checkpointed(database, archive)
            if part is first:
                await postgres.create(half, database.name)
    yield Past(database, half, archive)
    await postgres.drop(half)


async def archived(archive: Path, db: asyncpg.Connection) -> bool:
    """Does the archive hold every entry?"""
    kept, files = set(), Archived(archive.as_uri())
    for partition in range(PARTITIONS):
        for segment in files.segments(partition):
            kept |= {entry.event_id for entry in files.entries(segment)}
    return kept >= {row[0] for row in await db.fetch("SELECT event_id FROM audit.entry")}


@pytest_asyncio.fixture
async def empty(postgres: stack.Database, template: str) -> AsyncIterator[stack.Database]:
    """A store with nothing in it."""
    name = f"rebuilt_{uuid4().hex[:8]}"
    yield await postgres.create(name, template)
    await postgres.drop(name)


@pytest_asyncio.fixture
async def half(postgres: stack.Database, past: Past) -> AsyncIterator[stack.Database]:
    """The store as it was half-way."""
    name = f"halved_{uuid4().hex[:8]}"
    yield await postgres.create(name, past.half)
    await postgres.drop(name)


async def rebuild(database: stack.Database, kafka: str, archive: Path | None) -> tuple[int, str]:
    """Run the command; how it ended, and what it said."""
    words = ["audit", "rebuild", "--database", database.dsn("audit_fanout"), "--kafka", kafka]
    words += [] if archive is None else ["--archive", archive.as_uri()]
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    return done.exit_code, done.output


async def test_what_a_store_lacks_is_added_and_nothing_else(past: Past, half: stack.Database, kafka: str) -> None:
    before = await rows(half, "entry")
    code, said = await rebuild(half, kafka, past.archive)
    assert code == 0, said
    whole = await rows(past.whole, "entry")
    assert f"{len(whole) - len(before)} entries and 1 checkpoints were missing" in said
    for table in ("entry", "head", "checkpoint"):
        assert await rows(half, table) == await rows(past.whole, table)
    code, said = await rebuild(half, kafka, past.archive)
    assert (code, "0 entries and 0 checkpoints were missing" in said) == (0, True)


async def test_what_is_there_needs_no_file(past: Past, half: stack.Database, kafka: str, tmp_path: Path) -> None:
    archive, sidecar = past.spoilt(tmp_path, "events/p00001/*.json")
    sidecar.unlink()
    code, said = await rebuild(half, kafka, archive)
    assert code == 0, said
    assert await rows(half, "entry") == await rows(past.whole, "entry")


async def test_a_file_that_was_changed_is_named(past: Past, empty: stack.Database, kafka: str, tmp_path: Path) -> None:
    archive, segment = past.spoilt(tmp_path, "events/*/*.ndjson.zst")
    segment.write_bytes(segment.read_bytes()[:-1])
    code, said = await rebuild(empty, kafka, archive)
    assert code == 1
    assert f"{segment.name} is not what was written" in said.replace("\n", "")


async def test_what_does_not_fit_the_checkpoints_is_found(past: Past, empty: stack.Database, kafka: str, tmp_path: Path) -> None:
    archive, sidecar = past.spoilt(tmp_path, "events/p00001/*.json")
    sidecar.unlink()
    code, said = await rebuild(empty, kafka, archive)
    assert (code, "WRONG" in said) == (1, True)


async def forget(kafka: str) -> None:
    """Let all but the last record of each partition expire."""
    admin, reader = AIOKafkaAdminClient(bootstrap_servers=kafka), AIOKafkaConsumer(bootstrap_servers=kafka)
    await admin.start()
    await reader.start()
    try:
        ends = await reader.end_offsets([TopicPartition(EVENTS.name, n) for n in range(PARTITIONS)])
        await admin.delete_records({place: RecordsToDelete(before_offset=end - 1) for place, end in ends.items()})
    finally:
        await reader.stop()
        await admin.close()


async def test_the_log_alone_brings_everything_and_once_it_has_forgotten_the_archive_does(
    past: Past, empty: stack.Database, postgres: stack.Database, template: str, broker: stack.Log, tmp_path: Path,
) -> None:
    if not broker.idempotent:
        pytest.skip("only Apache Kafka forgets records when it is told to: install Java and Maven")
    kept = {table: await rows(past.whole, table) for table in ("entry", "head", "checkpoint")}
    alone = await postgres.create(f"alone_{uuid4().hex[:8]}", template)
    code, said = await rebuild(alone, broker.bootstrap, None)
    assert code == 0, said
    # What was mended in quarantine is on the log as it was told, and waits there again.
    assert (len(await rows(alone, "entry")), len(await rows(alone, "quarantine"))) == (len(kept["entry"]) - 1, 2)
    await postgres.drop(alone.name)

    await forget(broker.bootstrap)
    code, said = await rebuild(empty, broker.bootstrap, None)
    assert (code, "has expired" in said) == (1, True)
    assert await rows(empty, "entry") == []

    procedure = Procedure("audit-rebuild", {
        "ADMIN_DATABASE": past.whole.dsn(), "AUDIT_DATABASE": past.whole.dsn("audit_fanout"),
        "NEW_ADMIN_DATABASE": empty.dsn(), "NEW_AUDIT_DATABASE": empty.dsn("audit_fanout"),
        "ARCHIVE": past.archive.as_uri(), "APPROVALFLOW_KAFKA": broker.bootstrap,
    }, tmp_path)
    await procedure.follow()
    await procedure.follow()
    assert await procedure.follow() == ""
    await procedure.follow()
    assert procedure.left == 0
    for database in (past.whole, empty):
        assert {table: await rows(database, table) for table in kept} == kept
