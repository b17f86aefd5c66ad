"""Old audit entries go by months or by rows, and each one that went is accounted for."""

from uuid import uuid4

import asyncpg
import pytest

from services.retention.domain import Kind
from services.retention.store import rules
from shared.clock import now
from tests.integration.audit_log import an_event
from tests.integration.retention_scene import OLD, ONE, TWO, YOUNG, Scene, ids, month


async def test_months_of_one_site_are_dropped_whole_and_others_by_rows(scene: Scene) -> None:
    ours, mixed, recent = month(5), month(4), now()
    await scene.audit([an_event(site_id=ONE, occurred_at=ours) for _ in range(3)])
    await scene.audit([an_event(site_id=s, occurred_at=mixed) for s in (ONE, TWO, ONE, ONE, TWO)])
    await scene.audit([an_event(site_id=ONE, occurred_at=recent)])
    await scene.policy(ONE, Kind.AUDIT)
    assert [r.removed for r in (await scene.swept()).recorded] == [6]
    assert await scene.months() == [f"entry_{at:%Y_%m}" for at in (mixed, recent)]
    rows = await scene.db.fetch("SELECT first_position, last_position FROM audit.removed ORDER BY 1")
    assert [tuple(r) for r in rows] == [(1, 3), (4, 4), (6, 7)]
    await scene.audit_published()
    assert await scene.wrong() is None

    await scene.policy(TWO, Kind.AUDIT)
    assert [(r.site_id, r.removed) for r in (await scene.swept()).recorded] == [(TWO, 2)]
    assert await scene.months() == [f"entry_{recent:%Y_%m}"]
    await scene.audit_published()
    assert await scene.wrong() is None


async def test_a_month_emptied_by_rows_is_dropped_too(scene: Scene) -> None:
    await scene.audit([an_event("900", site_id=ONE, occurred_at=month(4)), an_event("901", site_id=ONE, occurred_at=month(4))])
    await scene.policy(ONE, Kind.AUDIT)
    await scene.hold(ONE, "901")
    await scene.swept()
    assert len(await scene.months()) == 1
    assert await rules.lift_hold(scene.db, ONE, "901")
    async with scene.db.transaction():
        await scene.db.execute(f"LOCK TABLE audit.{(await scene.months())[0]} IN ACCESS SHARE MODE")
        assert [r.removed for r in (await scene.swept(lock_seconds=0.05)).recorded] == [1]
    assert (await scene.left(Kind.AUDIT, ONE), len(await scene.months())) == (0, 1)
    await scene.swept()
    assert await scene.months() == []


async def test_a_month_with_an_entry_that_nothing_accounts_for_is_not_dropped(scene: Scene) -> None:
    await scene.audit([an_event(site_id=ONE, occurred_at=month(4)) for _ in range(2)])
    async with scene.pool.acquire() as db:
        with pytest.raises(asyncpg.RaiseError, match="not accounted for"):
            await db.execute("SELECT audit.drop_month($1)", month(4))
        await db.execute("INSERT INTO audit.removed SELECT partition, position, position, hash, hash, $1 FROM audit.entry"
                         " WHERE position = 1", uuid4())
        with pytest.raises(asyncpg.RaiseError, match="not accounted for"):
            await db.execute("SELECT audit.drop_month($1)", month(4))
    assert await scene.left(Kind.AUDIT, ONE) == 2


async def test_an_entry_beyond_the_end_of_its_chain_is_left_alone(scene: Scene) -> None:
    await scene.audit([an_event(site_id=ONE, occurred_at=month(4)) for _ in range(3)])
    await scene.db.execute("UPDATE audit.head SET position = 2")
    await scene.policy(ONE, Kind.AUDIT)
    assert [r.removed for r in (await scene.swept()).recorded] == [2]
    assert await scene.left(Kind.AUDIT, ONE) == 1


async def test_a_run_that_removes_the_record_of_another_answers_for_what_that_one_took(scene: Scene) -> None:
    await scene.add(Kind.AUDIT, ONE, "900", OLD, 3)
    await scene.add(Kind.AUDIT, ONE, "900", YOUNG)
    await scene.policy(ONE, Kind.AUDIT)
    await scene.swept()
    await scene.audit_published(at=now() - OLD)
    first, = await scene.runs()
    scene.published.clear()
    assert [r.removed for r in (await scene.swept()).recorded] == [1]
    answering = await scene.db.fetch("SELECT DISTINCT run_id FROM audit.removed")
    assert [row["run_id"] for row in answering] == list(ids(scene.published)) != [first.run_id]
    command, = await scene.audit_published()
    assert command.removed == 1
    assert await scene.wrong() is None
