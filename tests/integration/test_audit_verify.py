"""Verification finds every way a log can be tampered with, and names the first row that is wrong."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from services.audit_fanout.checkpoints import take
from services.audit_fanout.sinks import Store
from services.audit_fanout.verify import Verdict, verify
from shared import chain
from shared.chain import Removed
from shared.clock import now
from shared.contracts.events import RetentionRecorded
from shared.postgres import connect_pool
from tests import stack
from tests.builders import SITE
from tests.integration.audit_log import an_event, raw

SIZE = 12


@pytest_asyncio.fixture
async def db(database: stack.Database) -> AsyncIterator[asyncpg.Connection]:
    """A superuser, before whom a log of two chains with a checkpoint lies; what is done to it is undone."""
    owner = await asyncpg.connect(database.dsn())
    async with await connect_pool(database.dsn("audit_fanout"), 2, "test") as pool:
        if not await owner.fetchval("SELECT count(*) FROM audit.entry"):
            await Store(pool, 5).write([raw(an_event(f"v{n}"), n % 2) for n in range(2 * SIZE)])
            await take(pool, None)
    transaction = owner.transaction(isolation="repeatable_read")
    await transaction.start()
    yield owner
    await transaction.rollback()
    await owner.close()


async def wrong(db: asyncpg.Connection) -> str:
    """What is said of the log, which must be found wrong."""
    verdict: Verdict = await verify(db)
    assert verdict.wrong is not None
    return str(verdict.wrong)


async def test_a_log_as_written_is_found_good(db: asyncpg.Connection) -> None:
    seen: list[int] = []
    verdict = await verify(db, seen.append)
    assert (verdict.verified, verdict.wrong, seen[-1]) == (2 * SIZE, None, 2 * SIZE)


async def test_a_changed_row(db: asyncpg.Connection) -> None:
    await db.execute("UPDATE audit.entry SET body = replace(body, 'approve', 'reject') WHERE partition = 0 AND position = 5")
    assert await wrong(db) == "partition 0, position 5: the entry is not the one that was written here"


async def test_a_changed_row_whose_own_hash_was_changed_with_it(db: asyncpg.Connection) -> None:
    rows = await db.fetch("SELECT position, hash, body FROM audit.entry WHERE partition = 0 AND position IN (4, 5)")
    body = rows[1]["body"].replace("approve", "reject")
    await db.execute("UPDATE audit.entry SET body = $1, hash = $2 WHERE partition = 0 AND position = 5",
                     body, chain.link(rows[0]["hash"], 0, 5, body))
    assert await wrong(db) == "partition 0, position 6: the entry is not the one that was written here"


@pytest.mark.parametrize("column", ["site_id", "page_id", "space_id", "workflow_id", "actor_id", "event_type"])
async def test_a_row_indexed_as_something_else(db: asyncpg.Connection, column: str) -> None:
    await db.execute(f"UPDATE audit.entry SET {column} = 'other' WHERE partition = 1 AND position = 7")
    assert await wrong(db) == "partition 1, position 7: the entry is indexed as something that it does not say"


async def test_a_removed_row(db: asyncpg.Connection) -> None:
    await db.execute("DELETE FROM audit.entry WHERE partition = 1 AND position = 3")
    assert await wrong(db) == "partition 1, position 3: the entry is missing"


async def test_the_last_row_removed(db: asyncpg.Connection) -> None:
    await db.execute("DELETE FROM audit.entry WHERE partition = 1 AND position = $1", SIZE)
    assert await wrong(db) == f"partition 1, position {SIZE}: the entry is missing"


async def test_the_last_row_removed_and_the_end_moved_back(db: asyncpg.Connection) -> None:
    await db.execute("DELETE FROM audit.entry WHERE partition = 1 AND position = $1", SIZE)
    await db.execute("UPDATE audit.head SET position = e.position, hash = e.hash FROM audit.entry e"
                     " WHERE head.partition = 1 AND e.partition = 1 AND e.position = $1", SIZE - 1)
    assert await wrong(db) == f"partition 1, position {SIZE}: the entry is missing: a checkpoint names a later one"


async def test_a_whole_chain_removed_with_its_end(db: asyncpg.Connection) -> None:
    await db.execute("DELETE FROM audit.entry WHERE partition = 0")
    await db.execute("DELETE FROM audit.head WHERE partition = 0")
    assert await wrong(db) == "partition 0, position 1: the entry is missing: a checkpoint names a later one"


@pytest.mark.parametrize(("position", "said"), [(5, "there is an entry too many at this position"),
                                               (SIZE + 1, "the entry lies beyond the end of the chain")])
async def test_an_inserted_row(db: asyncpg.Connection, position: int, said: str) -> None:
    entry = raw(an_event())[1]
    previous = await db.fetchval("SELECT hash FROM audit.entry WHERE partition = 0 AND position = $1", position - 1)
    await db.execute(
        "INSERT INTO audit.entry (partition, position, hash, event_id, event_type, site_id, page_id, space_id, workflow_id,"
        " actor_id, occurred_at, body) VALUES (0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        position, chain.link(previous, 0, position, entry.body), entry.event_id, entry.event_type, entry.site_id, entry.page_id,
        entry.space_id, entry.workflow_id, entry.actor_id, entry.occurred_at, entry.body,
    )
    assert await wrong(db) == f"partition 0, position {position}: {said}"


async def test_a_whole_chain_rewritten_from_a_changed_row_on(db: asyncpg.Connection) -> None:
    rows = await db.fetch("SELECT position, hash, body FROM audit.entry WHERE partition = 0 ORDER BY position")
    previous = rows[4]["hash"]
    for row in rows[5:]:
        body = row["body"].replace("approve", "reject")
        previous = chain.link(previous, 0, row["position"], body)
        await db.execute("UPDATE audit.entry SET body = $1, hash = $2 WHERE partition = 0 AND position = $3",
                         body, previous, row["position"])
    await db.execute("UPDATE audit.head SET hash = $1 WHERE partition = 0", previous)
    assert await wrong(db) == f"partition 0, position {SIZE}: the entry is not the one a checkpoint names"


async def test_a_changed_checkpoint(db: asyncpg.Connection) -> None:
    await db.execute("UPDATE audit.checkpoint SET body = replace(body, '\"position\":12', '\"position\":11')")
    assert await wrong(db) == "checkpoint 1 is not the one that was written"


async def test_a_removal_is_good_only_with_an_entry_that_accounts_for_exactly_it(db: asyncpg.Connection) -> None:
    run_id = uuid4()
    rows = await db.fetch("DELETE FROM audit.entry WHERE partition = 0 AND position BETWEEN 2 AND 4 RETURNING position, hash")
    hashes = [row["hash"] for row in sorted(rows, key=lambda r: r["position"])]
    gone = Removed(0, 2, 4, chain.removed_digest(hashes), hashes[-1])
    await db.execute(
        "INSERT INTO audit.removed (partition, first_position, last_position, digest, hash, run_id) VALUES (0, 2, 4, $1, $2, $3)",
        gone.digest, gone.hash, run_id)
    said = f"partition 0, position 2: no entry accounts for this removal by run {run_id}"
    assert await wrong(db) == said
    await _append(db, an_account(run_id, chain.account([gone])))
    verdict = await verify(db)
    assert (verdict.verified, verdict.wrong) == (2 * SIZE - 3 + 1, None)
    await _append(db, an_account(run_id, bytes(32).hex()))
    assert await wrong(db) == said


def an_account(run_id: UUID, digest: str) -> RetentionRecorded:
    return RetentionRecorded(
        site_id=SITE, command_id=str(uuid4()), occurred_at=now(), run_id=str(run_id), kind="audit", removed=3, digest=digest,
        before=now() - timedelta(days=31))


async def _append(db: asyncpg.Connection, event: RetentionRecorded) -> None:
    """Add an entry within the test's own transaction."""
    entry = raw(event)[1]
    head = await db.fetchrow("SELECT position, hash FROM audit.head WHERE partition = 1")
    assert head is not None
    position = head["position"] + 1
    digest = chain.link(head["hash"], 1, position, entry.body)
    await db.execute("INSERT INTO audit.entry (partition, position, hash, event_id, event_type, site_id, occurred_at, body)"
                     " VALUES (1, $1, $2, $3, $4, $5, $6, $7)", position, digest, entry.event_id, entry.event_type,
                     entry.site_id, entry.occurred_at, entry.body)
    await db.execute("UPDATE audit.head SET position = $1, hash = $2 WHERE partition = 1", position, digest)
