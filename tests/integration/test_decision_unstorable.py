"""A record that can be read and decided, and that the database will not take, costs only those behind it under its key."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from shared.clock import now
from shared.contracts.commands import RecordGroupMembers, RecordSpaceAdmins
from shared.contracts.topics import INTAKE
from tests.builders import ALICE, BOB, SPACE, WORKFLOW, a_caller, a_decision, a_submission
from tests.integration.test_decision import Bench, bench
from tests.stack import Database

__all__ = ["bench"]


@pytest_asyncio.fixture(autouse=True)
async def _empty_quarantine(database: Database) -> None:
    """Each test's log begins at its first record, and a record is kept once for each place on the log."""
    owner = await asyncpg.connect(database.dsn())
    await owner.execute("DELETE FROM approvals.quarantine")
    await owner.close()


@pytest_asyncio.fixture
async def strict(database: Database) -> AsyncIterator[None]:
    """A database that takes nothing about the page or group ``bad``, as if its schema were older than the code."""
    owner = await asyncpg.connect(database.dsn())
    try:
        await owner.execute("ALTER TABLE approvals.outcome ADD CONSTRAINT strict CHECK (NOT key LIKE '%:bad' OR version > 1)")
        yield
        await owner.execute("ALTER TABLE approvals.outcome DROP CONSTRAINT strict")
    finally:
        await owner.close()


@pytest.mark.usefixtures("strict")
async def test_neighbours_proceed_and_only_its_own_page_waits(bench: Bench) -> None:
    good = [bench.lane.record(a_submission(page_id=f"good-{n}")) for n in range(5)]
    bad = bench.lane.record(a_submission(page_id="bad"))
    behind = bench.lane.record(a_decision(ALICE, page_id="bad", approval_id="bad-1"))
    mine = bench.lane.record(a_decision(BOB))
    await bench.consumer.handle([*good[:3], bad, *good[3:], behind, mine])
    assert await bench.count("approvals.page", "page_id LIKE 'good-%' AND status = 'open'") == 5
    assert await bench.count("approvals.outcome", "voter_id IS NOT NULL") == 1
    assert await bench.count("approvals.page", "page_id = 'bad'") == 0
    held = await bench.pool.fetch("SELECT reason, detail FROM approvals.quarantine WHERE key = $1 ORDER BY log_offset",
                                  f"{bench.lane.site}:bad")
    assert [(row["reason"], row["detail"]) for row in held] == [("unhandled", "CheckViolationError"), ("unhandled", "waiting")]
    assert bench.log.committed[-1] == {TopicPartition(INTAKE.name, 0): mine.offset + 1}


@pytest.mark.usefixtures("strict")
async def test_so_it_is_with_what_is_about_no_page(bench: Bench) -> None:
    app = a_caller(None)
    records = [bench.lane.record(RecordGroupMembers(site_id="-", caller=app, group_id=group, members=(ALICE,), read_at=now()))
               for group in ("one", "bad", "bad", "two")]
    admins = bench.lane.record(RecordSpaceAdmins(site_id="-", caller=app, space_id=f"{SPACE}-2", admins=(BOB,), read_at=now()))
    await bench.consumer.handle([*records, admins])
    groups = await bench.pool.fetch("SELECT group_id FROM directory.member_group WHERE site_id = $1", bench.lane.site)
    assert {row["group_id"] for row in groups} == {"one", "two"}
    assert await bench.pool.fetchval("SELECT count(*) FROM approvals.quarantine WHERE key = $1", f"{bench.lane.site}:bad") == 2


async def test_a_version_that_no_column_can_hold_is_malformed_from_the_start(bench: Bench) -> None:
    record = bench.lane.record(a_submission(page_id="vast", page_version=7))
    assert record.value is not None
    record.value = record.value.replace(b'"page_version":7', b'"page_version":4294967296')
    after = bench.lane.record(a_submission(page_id="after"))
    await bench.consumer.handle([record, after])
    assert await bench.count("approvals.page", "page_id = 'after'") == 1
    [held] = await bench.pool.fetch("SELECT reason, detail FROM approvals.quarantine WHERE key = $1", f"{bench.lane.site}:vast")
    assert (held["reason"], held["detail"]) == ("malformed", "less_than at page_version")


async def test_a_refusal_judged_on_a_page_that_was_not_there_does_not_stand_once_it_is(bench: Bench) -> None:
    early, submitted = bench.lane.record(a_decision(ALICE, page_id="new", approval_id="new-1")), bench.lane.record(
        a_submission(page_id="new"))
    engine, read = bench.consumer._engine, bench.consumer._engine.read
    seen: list[object] = []

    async def read_then_lose(items):  # type: ignore[no-untyped-def]
        found = await read(items)
        if not seen:
            seen.append(found)
            await bench.consumer.handle([submitted])
        return found

    engine.read = read_then_lose  # type: ignore[method-assign]
    await bench.consumer.handle([early])
    outcome = await bench.pool.fetchrow(
        "SELECT reason, version FROM approvals.outcome WHERE site_id = $1 AND voter_id IS NOT NULL", bench.lane.site)
    assert outcome is not None
    assert (outcome["reason"], outcome["version"]) == (None, 2)


async def test_a_page_may_have_the_id_of_a_workflow(bench: Bench) -> None:
    alike = bench.lane.record(a_submission(page_id=WORKFLOW))
    await bench.consumer.handle([alike, bench.lane.record(a_decision(BOB))])
    assert await bench.count("approvals.page", f"page_id = '{WORKFLOW}' AND status = 'open'") == 1
    assert await bench.count("approvals.outcome", "voter_id IS NOT NULL") == 1


async def test_what_loses_every_race_is_kept_and_ends_nobody_elses_turn(bench: Bench, database: Database) -> None:
    """A unique violation that is no race: the version it would have is taken by something else under its key."""
    owner = await asyncpg.connect(database.dsn())
    try:
        await owner.execute(
            "INSERT INTO approvals.outcome (command_id, site_id, key, version, event_type, event, decided_at)"
            " VALUES (gen_random_uuid(), $1, $2, 1, 'other', '{}', now())", bench.lane.site, f"{bench.lane.site}:taken")
    finally:
        await owner.close()
    await bench.consumer.handle([bench.lane.record(a_submission(page_id="taken")), bench.lane.record(a_decision(BOB))])
    assert await bench.count("approvals.outcome", "voter_id IS NOT NULL") == 1
    [held] = await bench.pool.fetch("SELECT reason, detail FROM approvals.quarantine WHERE key = $1", f"{bench.lane.site}:taken")
    assert (held["reason"], held["detail"]) == ("unhandled", "too many races")
