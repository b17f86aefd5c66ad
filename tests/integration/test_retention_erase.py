"""What one person wrote goes when they ask, whatever its age; everything else stays, and what proves it still does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from services.cli import app
from services.retention.domain import Kind
from services.retention.settings import Settings
from services.retention.sweep import AlreadySweeping, Sweep
from shared.contracts.commands import RecordRetention
from shared.postgres import connect_pool
from tests.integration.retention_scene import Scene
from tests.stack import Database, Log

SITE, ANN = "site-1", "712020:ann"
MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    """A database with comments of two people, on two pages of two sites, none older than a minute."""
    db = await asyncpg.connect(database.dsn())
    async with await connect_pool(database.dsn("retention"), 1, "test", session_state=True) as pool:
        made = Scene(db, pool, _nowhere, Settings(batch_rows=2, pause_seconds=0))
        await made.clear()
        for site, page, author, count in ((SITE, "900", ANN, 5), (SITE, "901", ANN, 2), (SITE, "900", "bob", 1), ("site-2", "900", ANN, 1)):
            before = {row[0] for row in await db.fetch("SELECT command_id FROM approvals.comment")}
            await made.add(Kind.COMMENTS, site, page, MINUTE, count)
            await db.execute("UPDATE approvals.comment SET author_id = $1 WHERE command_id <> ALL ($2)", author, list(before))
        yield made
    await db.close()


async def _nowhere(_: object) -> None:
    raise AssertionError("the command line publishes for itself")


async def erase(database: Database, broker: Log, site: str = SITE, account: str = ANN) -> Result:
    """As an operator types it, in a thread, since it brings an event loop of its own."""
    line = ["retention", "erase", site, account, "--database", database.dsn("retention"), "--kafka", broker.bootstrap]
    return await asyncio.to_thread(CliRunner(env={"COLUMNS": "160", "APPROVALFLOW_BATCH_ROWS": "2"}).invoke, app, line)


async def left(scene: Scene) -> dict[tuple[str, str], int]:
    """How many comments each person has on each site."""
    rows = await scene.db.fetch("SELECT site_id, author_id, count(*) FROM approvals.comment GROUP BY 1, 2")
    return {(site, author): count for site, author, count in rows}


async def test_all_that_a_person_wrote_on_a_site_goes_and_nothing_else(
    scene: Scene, database: Database, broker: Log, topics: list[str],
) -> None:
    done = await erase(database, broker)
    assert (done.exit_code, f"{SITE} comments: 7 removed" in done.output) == (0, True)
    assert await left(scene) == {(SITE, "bob"): 1, ("site-2", ANN): 1}
    run, = await scene.runs()
    assert (run.kind, run.removed, run.finished_at is not None) == (Kind.COMMENTS, 7, True)
    again = await erase(database, broker)
    assert (again.exit_code, "nothing is due" in again.output) == (0, True)


async def test_it_is_audited_without_naming_the_person(scene: Scene) -> None:
    told: list[bytes] = []

    async def publish(messages: object) -> None:
        told.extend(message.value for message in messages)  # type: ignore[attr-defined]  # what a sweep publishes

    swept = await Sweep(scene.pool, publish, Settings(batch_rows=2, pause_seconds=0)).erase(SITE, ANN)
    [value] = told
    recorded = RecordRetention.model_validate_json(value)
    assert (recorded.kind, recorded.removed, recorded.run_id) == ("comments", 7, str(swept.recorded[0].run_id))
    assert ANN.encode() not in value


async def test_what_is_held_stays(scene: Scene, database: Database, broker: Log, topics: list[str]) -> None:
    await scene.hold(SITE, "901")
    assert (await erase(database, broker)).exit_code == 0
    assert await left(scene) == {(SITE, ANN): 2, (SITE, "bob"): 1, ("site-2", ANN): 1}


async def test_it_waits_for_its_turn(scene: Scene, database: Database, broker: Log) -> None:
    await scene.db.execute("SELECT pg_advisory_lock(7309273)")
    result = await erase(database, broker)
    assert (result.exit_code, "another process is sweeping" in result.output) == (1, True)


async def test_a_removal_that_is_not_over_goes_on_first(scene: Scene) -> None:
    await scene.db.execute(
        "INSERT INTO retention.run (run_id, site_id, kind, before, removed, digest)"
        " VALUES (gen_random_uuid(), $1, 'comments', now(), 1, '\\x00')", SITE,
    )
    with pytest.raises(AlreadySweeping):
        await Sweep(scene.pool, _nowhere, Settings()).erase(SITE, ANN)
    assert (await left(scene))[SITE, ANN] == 7
