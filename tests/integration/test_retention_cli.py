"""Retention by hand, as an operator types it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest_asyncio
from typer.testing import CliRunner, Result

from services.cli import app
from services.retention.domain import Kind
from services.retention.settings import Settings
from shared.clock import now
from shared.postgres import connect_pool
from tests.integration.retention_scene import DAY, Scene
from tests.stack import Database, Log

SITE = "site-1"


@pytest_asyncio.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    """A database that nothing but the command line sweeps."""
    db = await asyncpg.connect(database.dsn())
    async with await connect_pool(database.dsn("retention"), 1, "test", session_state=True) as pool:
        cleared = Scene(db, pool, _nowhere, Settings())
        await cleared.clear()
        yield cleared
    await db.close()


async def _nowhere(_: object) -> None:
    raise AssertionError("the command line publishes for itself")


async def invoke(database: Database, *words: str) -> Result:
    """Run a command in a thread, since it brings an event loop of its own."""
    line = ["retention", *words, "--database", database.dsn("retention")]
    return await asyncio.to_thread(CliRunner(env={"COLUMNS": "160"}).invoke, app, line)


async def said(database: Database, *words: str) -> str:
    """What a command that succeeds says."""
    result = await invoke(database, *words)
    assert result.exit_code == 0, result.output
    return result.output


async def test_a_plan_is_shown_and_then_carried_out(scene: Scene, database: Database, broker: Log, topics: list[str]) -> None:
    await scene.add(Kind.COMMENTS, SITE, "900", 50 * DAY, 3)
    await scene.add(Kind.COMMENTS, SITE, "901", 50 * DAY, 2)
    await said(database, "policy", "set", SITE, "comments", "40")
    await said(database, "hold", "place", SITE, "--page", "901", "--reason", "a lawsuit", "--by", "ann")
    table = await said(database, "plan")
    assert all(part in table for part in (SITE, "comments", "page 901: 2"))
    planned, = json.loads(await said(database, "plan", "--json"))
    assert (planned["site_id"], planned["kind"], planned["going"], planned["held"]) == (SITE, "comments", 3, {"901": 2})
    assert await scene.left(Kind.COMMENTS, SITE) == 5

    done = await said(database, "run", "--kafka", broker.bootstrap)
    run, = await scene.runs()
    assert f"{SITE} comments: 3 removed (run {run.run_id})" in done
    assert await scene.left(Kind.COMMENTS, SITE) == 2
    assert "nothing is due" in await said(database, "run", "--kafka", broker.bootstrap)


async def test_a_plan_for_a_later_day_shows_what_will_be_due_then(scene: Scene, database: Database) -> None:
    await scene.add(Kind.COMMENTS, SITE, "900", 30 * DAY, 2)
    await said(database, "policy", "set", SITE, "comments", "40")
    later = f"{now() + timedelta(days=11):%Y-%m-%dT%H:%M:%S}"
    assert [one["going"] for one in json.loads(await said(database, "plan", "--json"))] == [0]
    assert [one["going"] for one in json.loads(await said(database, "plan", "--json", "--at", later))] == [2]


async def test_a_run_says_that_another_process_is_sweeping(scene: Scene, database: Database, broker: Log) -> None:
    await scene.db.execute("SELECT pg_advisory_lock(7309273)")
    result = await invoke(database, "run", "--kafka", broker.bootstrap)
    assert (result.exit_code, "another process is sweeping" in result.output) == (1, True)


async def test_a_run_says_what_it_could_not_remove(scene: Scene, database: Database, broker: Log, topics: list[str]) -> None:
    await scene.add(Kind.COMMENTS, SITE, "900", 50 * DAY)
    await scene.policy(SITE, Kind.COMMENTS)
    async with scene.db.transaction():
        await scene.hold(SITE)
        words = ["run", "--kafka", broker.bootstrap]
        line = ["retention", *words, "--database", database.dsn("retention")]
        runner = CliRunner(env={"APPROVALFLOW_LOCK_SECONDS": "0.01", "APPROVALFLOW_BATCH_ROWS": "2"})
        result = await asyncio.to_thread(runner.invoke, app, line)
    assert (result.exit_code, "the rest is left to the next run" in result.output) == (1, True)


async def test_policies_are_set_listed_and_removed(scene: Scene, database: Database) -> None:
    await said(database, "policy", "set", SITE, "audit", "365")
    await said(database, "policy", "set", SITE, "audit", "400")
    listed = await said(database, "policy", "list")
    assert ("400" in listed, "365" in listed) == (True, False)
    too_short = await invoke(database, "policy", "set", SITE, "audit", "30")
    assert (too_short.exit_code, "must be kept longer" in too_short.output) == (2, True)
    await said(database, "policy", "remove", SITE, "audit")
    again = await invoke(database, "policy", "remove", SITE, "audit")
    assert (again.exit_code, "has no policy" in again.output) == (1, True)


async def test_holds_are_placed_listed_and_lifted(scene: Scene, database: Database) -> None:
    await said(database, "hold", "place", SITE, "--reason", "a lawsuit", "--by", "ann")
    again = await invoke(database, "hold", "place", SITE, "--reason", "another", "--by", "bob")
    assert (again.exit_code, "it is held already" in again.output) == (1, True)
    listed = await said(database, "hold", "list")
    assert all(part in listed for part in (SITE, "(all)", "ann", "a lawsuit"))
    await said(database, "hold", "lift", SITE)
    assert (await invoke(database, "hold", "lift", SITE)).exit_code == 1
