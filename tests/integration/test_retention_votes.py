"""Old outcomes go, and an approval that is still open is decided as if they were there."""

from datetime import timedelta
from uuid import uuid4

import asyncpg

from services.decision.consume import Consumer
from services.decision.engine import Engine
from services.retention.domain import Kind, Policy
from services.retention.settings import Settings
from services.retention.store import rules
from services.retention.sweep import Sweep
from shared.clock import now
from shared.contracts.commands import CreateWorkflow, RecordSpaceAdmins
from shared.contracts.workflow import All
from shared.postgres import connect_pool
from tests.builders import ALICE, BOB, DAVE, SPACE, WORKFLOW, a_caller, a_decision, a_definition, a_step, a_submission, accounts
from tests.integration.test_decision import Lane, Log
from tests.stack import Database


async def _sweep(database: Database, log: Log) -> int:
    """How many old outcomes went."""
    async with await connect_pool(database.dsn("retention"), 1, "test", session_state=True) as pool:
        swept = await Sweep(pool, log.publish, Settings(pause_seconds=0)).run_once()  # type: ignore[arg-type]  # takes a sequence
    return sum(run.removed for run in swept.recorded)


async def _age(db: asyncpg.Connection) -> None:
    await db.execute("UPDATE approvals.outcome SET decided_at = decided_at - interval '50 days'")


async def test_votes_on_the_active_round_stay_until_the_approval_ends(database: Database) -> None:
    site, log = f"site-{uuid4().hex[:8]}", Log()
    db = await asyncpg.connect(database.dsn())
    async with await connect_pool(database.dsn("decision"), 4, "test") as pool:
        consumer = Consumer(pool, Engine(pool, timedelta(hours=24), 5), log, log.commit)  # type: ignore[arg-type]  # in memory
        lane = Lane(site)
        definition = a_definition(a_step(accounts(ALICE, BOB), All()))
        create = CreateWorkflow(site_id="-", caller=a_caller(DAVE), workflow_id=WORKFLOW, space_id=SPACE, definition=definition)
        admins = RecordSpaceAdmins(site_id="-", caller=a_caller(None), space_id=SPACE, admins=(DAVE,), read_at=now())
        await consumer.handle([lane.record(one) for one in (admins, create, a_submission(), a_decision(ALICE))])
        await rules.set_policy(db, Policy(site, Kind.OUTCOMES, 40))
        await _age(db)
        assert await _sweep(database, log) == 3
        assert await db.fetchval("SELECT array_agg(voter_id) FROM approvals.outcome WHERE site_id = $1", site) == [ALICE]

        await consumer.handle([lane.record(a_decision(ALICE)), lane.record(a_decision(BOB))])
        reasons = await db.fetch("SELECT reason FROM approvals.outcome WHERE site_id = $1 ORDER BY reason NULLS LAST", site)
        assert [row["reason"] for row in reasons] == ["already_decided", None, None]
        assert await db.fetchval("SELECT status FROM approvals.page WHERE site_id = $1", site) == "approved"
        await _age(db)
        assert await _sweep(database, log) == 3
    await db.close()


async def test_what_became_of_a_command_stays_as_long_as_its_key_may_be_sent_again(database: Database) -> None:
    site, log = f"site-{uuid4().hex[:8]}", Log()
    db = await asyncpg.connect(database.dsn())
    async with await connect_pool(database.dsn("decision"), 4, "test") as pool:
        consumer = Consumer(pool, Engine(pool, timedelta(hours=24), 5), log, log.commit)  # type: ignore[arg-type]  # in memory
        await consumer.handle([Lane(site).record(a_submission())])
    await rules.set_policy(db, Policy(site, Kind.OUTCOMES, 40))
    await _age(db)
    await db.execute("INSERT INTO command.idempotency_key (site_id, account_id, key, body_digest, command_id)"
                     " SELECT site_id, 'a', 'k', sha256(''), command_id FROM approvals.outcome WHERE site_id = $1", site)
    assert await _sweep(database, log) == 0
    await db.execute("DELETE FROM command.idempotency_key WHERE site_id = $1", site)
    assert await _sweep(database, log) == 1
    await db.close()
