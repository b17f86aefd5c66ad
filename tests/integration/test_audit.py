"""Fanning events out, on a real broker and database."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import orjson
import pytest
import pytest_asyncio
import zstandard

from services.audit_fanout.checkpoints import take
from services.audit_fanout.consume import Consumer
from services.audit_fanout.sinks import Archive, Store
from services.audit_fanout.verify import verify
from shared.contracts.events import QuarantineReleased
from shared.kafka import PoisonStorm
from shared.postgres import connect_pool
from tests import stack
from tests.builders import ALICE, SITE, SPACE, WORKFLOW
from tests.integration.audit_log import Raw, an_event, outgoing, publisher, raw, recorded, running
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("topics")


@pytest_asyncio.fixture
async def owner(database: stack.Database) -> AsyncIterator[asyncpg.Connection]:
    db = await asyncpg.connect(database.dsn())
    yield db
    await db.close()


@pytest_asyncio.fixture
async def pool(database: stack.Database) -> AsyncIterator[asyncpg.Pool]:
    async with await connect_pool(database.dsn("audit_fanout"), 4, "test") as made:
        yield made


def lines(archive: Path) -> list[dict[str, object]]:
    """Every line of every segment whose sidecar is there."""
    found = []
    for sidecar in sorted(archive.glob("events/*/*.json")):
        about = json.loads(sidecar.read_bytes())
        segment = sidecar.with_suffix(".ndjson.zst").read_bytes()
        assert hashlib.sha256(segment).hexdigest() == about["sha256"]
        content = [json.loads(line) for line in zstandard.ZstdDecompressor().decompress(segment, 1 << 26).splitlines()]
        assert len(content) == about["count"]
        found += content
    return found


async def test_each_event_has_one_entry_by_every_index_and_a_line_in_the_archive(
    broker: stack.Log, database: stack.Database, owner: asyncpg.Connection, tmp_path: Path,
) -> None:
    events, before = [an_event(f"p{n}") for n in range(60)], (await verify(owner)).verified
    async with (
        publisher(broker.bootstrap, idempotent=broker.idempotent) as publishes,
        running(broker.bootstrap, database.dsn("audit_fanout"), archive_url=tmp_path.as_uri()),
    ):
        await publishes.publish(outgoing(e, n % 3) for n, e in enumerate(events))
        await publishes.publish(outgoing(e, n % 3) for n, e in enumerate(events[:20]))
        await publishes.publish([outgoing(last := an_event("last"))])
        rows = await recorded(owner, [*events, last])

        async def archived() -> bool:
            return {str(line["id"]) for line in lines(tmp_path)} >= {e.command_id for e in [*events, last]}

        await until(archived)
    assert len(rows) == 61
    for column, value in (("page_id", "p7"), ("space_id", SPACE), ("workflow_id", WORKFLOW), ("actor_id", ALICE)):
        found = await owner.fetch(f"SELECT event_id FROM audit.entry WHERE site_id = $1 AND {column} = $2", SITE, value)
        assert UUID(events[7].command_id) in {row["event_id"] for row in found}
    by_id = {str(row["event_id"]): orjson.loads(row["body"]) for row in rows}
    assert by_id.items() <= {str(line["id"]): line for line in lines(tmp_path)}.items()
    verdict = await verify(owner)
    assert (verdict.verified, verdict.wrong) == (before + 61, None)


async def test_a_sink_that_cannot_write_holds_no_other_up_and_catches_up(
    broker: stack.Log, database: stack.Database, owner: asyncpg.Connection, tmp_path: Path,
) -> None:
    blocked = tmp_path / "archive"
    blocked.write_text("a file where the directory should be")
    events = [an_event() for _ in range(10)]
    async with (
        publisher(broker.bootstrap, idempotent=broker.idempotent) as publishes,
        running(broker.bootstrap, database.dsn("audit_fanout"), archive_url=blocked.as_uri()),
    ):
        await publishes.publish(outgoing(e) for e in events)
        assert len(await recorded(owner, events)) == 10
        blocked.unlink()

        async def archived() -> bool:
            return {str(line["id"]) for line in lines(blocked)} >= {e.command_id for e in events}

        await until(archived)


async def test_started_again_it_goes_on_where_it_was(
    broker: stack.Log, database: stack.Database, owner: asyncpg.Connection,
) -> None:
    events = [an_event() for _ in range(30)]
    async with publisher(broker.bootstrap, idempotent=broker.idempotent) as publishes:
        for part in (events[:10], events[10:]):
            async with running(broker.bootstrap, database.dsn("audit_fanout")):
                await publishes.publish(outgoing(e, 1) for e in part)
                await recorded(owner, part)
    assert len(await recorded(owner, events)) == 30
    assert (await verify(owner)).wrong is None


async def test_what_is_no_event_waits_holds_nobody_up_and_is_read_again_when_released(
    broker: stack.Log, database: stack.Database, owner: asyncpg.Connection, tmp_path: Path,
) -> None:
    lost, after = an_event("poisoned"), an_event("fine")
    bad = outgoing(lost, value=b'{"site_id": 7}', key=b"site-1:poisoned")
    release = QuarantineReleased(
        site_id=SITE, command_id=an_event().command_id, occurred_at=after.occurred_at, released=0, remaining=0)
    async with (
        publisher(broker.bootstrap, idempotent=broker.idempotent) as publishes,
        running(broker.bootstrap, database.dsn("audit_fanout"), archive_url=tmp_path.as_uri()),
    ):
        await publishes.publish([bad, outgoing(after)])
        await recorded(owner, [after])
        held = await owner.fetchrow("SELECT key, reason, detail FROM audit.quarantine WHERE key = 'site-1:poisoned'")
        assert held is not None
        assert held["reason"] == "malformed"
        await owner.execute("UPDATE audit.quarantine SET value = $1 WHERE key = 'site-1:poisoned'", outgoing(lost).value)
        await publishes.publish([outgoing(release, key=b"site-1:poisoned")])
        assert len(await recorded(owner, [lost, release])) == 2

        async def archived() -> bool:
            return lost.command_id in {line["id"] for line in lines(tmp_path)}

        await until(archived)
    assert await owner.fetchval("SELECT released_at IS NOT NULL FROM audit.quarantine WHERE key = 'site-1:poisoned'")
    assert (await verify(owner)).wrong is None


async def test_two_writers_of_one_chain_lose_nothing_and_write_nothing_twice(
    owner: asyncpg.Connection, pool: asyncpg.Pool,
) -> None:
    before = (await verify(owner)).verified
    events = [raw(an_event(f"r{n}"), 3) for n in range(200)]
    writers = [Store(pool, 1000) for _ in range(4)]
    shares = [(writers[n % 4], events[n * 10:n * 10 + 20]) for n in range(20)]
    await asyncio.gather(*(writer.write(share) for writer, share in shares))
    verdict = await verify(owner)
    assert (verdict.verified, verdict.wrong) == (before + 200, None)


async def test_two_archivers_of_one_partition_never_replace_what_the_other_wrote(tmp_path: Path) -> None:
    events = [raw(an_event(f"a{n}"), 2) for n in range(10)]
    await asyncio.gather(*(Archive(tmp_path.as_uri()).write(part) for part in (events, events[:4], events)))
    assert {str(line["id"]) for line in lines(tmp_path)} == {str(entry.event_id) for _, entry in events}
    assert not list(tmp_path.rglob("*.part"))


async def test_a_checkpoint_is_taken_when_a_chain_has_grown_and_kept_in_the_archive_too(
    owner: asyncpg.Connection, pool: asyncpg.Pool, tmp_path: Path,
) -> None:
    await Store(pool, 5).write([raw(an_event(), 0)])
    taken = await take(pool, Archive(tmp_path.as_uri()))
    assert taken is not None
    assert await take(pool, None) is None
    [kept] = tmp_path.glob("checkpoints/*.json")
    assert json.loads(kept.read_bytes()) == {"number": taken.number, "body": taken.body, "hash": taken.hash.hex()}
    await Store(pool, 5).write([raw(an_event(), 0)])
    following = await take(pool, None)
    assert following is not None
    assert following.number == taken.number + 1
    assert (await verify(owner)).wrong is None


async def test_a_month_whose_first_write_failed_or_that_was_dropped_is_made_again(
    owner: asyncpg.Connection, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch,
) -> None:
    long_ago = datetime(2031, 5, 6, tzinfo=UTC)
    sink, first = Store(pool, 5), raw(an_event(occurred_at=long_ago), 0)
    with monkeypatch.context() as broken:
        broken.setattr("services.audit_fanout.store.entries.append", _unreachable)
        with pytest.raises(ConnectionError):
            await sink.write([first])
    await sink.write([first])
    assert await owner.fetchval("SELECT count(*) FROM audit.entry WHERE event_id = $1", first[1].event_id) == 1
    later = raw(an_event(occurred_at=datetime(2031, 6, 6, tzinfo=UTC)), 0)
    await sink.write([later])
    await owner.execute("CREATE TABLE kept AS SELECT * FROM audit.entry_2031_06")
    await owner.execute("DROP TABLE audit.entry_2031_06")
    again = raw(an_event(occurred_at=datetime(2031, 6, 7, tzinfo=UTC)), 0)
    await sink.write([again])
    await owner.execute("INSERT INTO audit.entry SELECT * FROM kept")
    await owner.execute("DROP TABLE kept")
    assert (await verify(owner)).wrong is None


async def _unreachable(*_: object) -> bool:
    raise ConnectionError


async def test_one_event_on_two_partitions_has_one_entry(owner: asyncpg.Connection, pool: asyncpg.Pool) -> None:
    event = an_event()
    await Store(pool, 5).write([raw(event, 0), raw(event, 1)])
    await Store(pool, 5).write([raw(event, 2)])
    assert await owner.fetchval("SELECT count(*) FROM audit.entry WHERE event_id = $1", UUID(event.command_id)) == 1


async def test_a_poison_storm_stops_a_sink_at_its_limit(owner: asyncpg.Connection, pool: asyncpg.Pool) -> None:
    waiting = "SELECT count(*) FROM audit.quarantine WHERE released_at IS NULL"
    before: int = await owner.fetchval(waiting)
    committed: list[object] = []

    async def commit(offsets: object) -> None:
        committed.append(offsets)

    consumer = Consumer(pool, Store(pool, 5), commit, quarantine_limit=before + 2)
    storm = [Raw(0, offset, b"{", ()) for offset in range(1 << 40, (1 << 40) + 5)]
    for _ in range(2):
        with pytest.raises(PoisonStorm):
            await consumer.handle(storm)
    assert await owner.fetchval(waiting) == before + 2
    assert not committed
