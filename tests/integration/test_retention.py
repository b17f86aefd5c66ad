"""What goes and what stays, on a real database and a real log."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from services.retention.domain import Kind, Run
from services.retention.settings import Settings
from services.retention.store import rules
from services.retention.sweep import AlreadySweeping, Sweep
from services.retention.wiring import build
from shared.clock import now
from shared.kafka import BatchPublisher, Outgoing
from shared.postgres import connect_pool
from tests.integration.audit_log import an_event
from tests.integration.retention_scene import DAY, Scene, ids, month
from tests.stack import Database, Log
from tests.waiting import until

OLD, YOUNG = 50 * DAY, 20 * DAY
ONE, TWO = "site-1", "site-2"


@pytest_asyncio.fixture(scope="module")
async def opened(database: Database, broker: Log, topics: list[str]) -> AsyncIterator[Scene]:
    settings = Settings.model_validate({
        "kafka": broker.bootstrap, "kafka_idempotent": broker.idempotent, "pause_seconds": 0.0, "statement_seconds": 5.0,
    })
    publisher = BatchPublisher(settings, "retention")
    await publisher.start()
    async with await connect_pool(database.dsn("retention"), 4, "test", session_state=True) as pool:
        db = await asyncpg.connect(database.dsn())
        yield Scene(db, pool, publisher.publish, settings)
        await db.close()
    await publisher.stop()


@pytest_asyncio.fixture
async def scene(opened: Scene) -> Scene:
    await opened.clear()
    return opened


@pytest.mark.parametrize("kind", Kind)
async def test_a_plan_says_exactly_what_a_run_removes(scene: Scene, kind: Kind) -> None:
    for site in (ONE, TWO):
        await scene.add(kind, site, "900", OLD, 5)
        await scene.add(kind, site, "901", YOUNG, 2)
    await scene.policy(ONE, kind)
    plan = (await scene.plan())[ONE, kind]
    assert (plan.going, plan.held) == (5, {})
    swept = await scene.swept()
    assert [(r.site_id, r.kind, r.removed) for r in swept.recorded] == [(ONE, kind, 5)]
    assert (await scene.left(kind, ONE), await scene.left(kind, TWO)) == (2, 7)
    command, = await scene.audit_published()
    run, = await scene.runs()
    assert (command.run_id, command.kind, command.removed, command.before, command.digest) == (
        str(run.run_id), kind, 5, run.before, run.digest.hex())
    assert await scene.wrong() is None


async def test_without_a_policy_nothing_goes_and_nothing_is_told(scene: Scene) -> None:
    for kind in Kind:
        await scene.add(kind, ONE, "900", 5000 * DAY)
    swept = await scene.swept()
    assert (swept.recorded, swept.unfinished, scene.published) == ([], [], [])
    assert [await scene.left(kind, ONE) for kind in Kind] == [1, 1, 1, 1, 2]


async def test_a_run_that_removes_nothing_leaves_no_trace(scene: Scene) -> None:
    for kind in Kind:
        await scene.add(kind, ONE, "900", YOUNG)
        await scene.policy(ONE, kind)
    assert (await scene.swept()).recorded == []
    assert (await scene.runs(), scene.published) == ([], [])


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.IDEMPOTENCY_KEYS])
async def test_nothing_of_a_held_page_goes(scene: Scene, kind: Kind) -> None:
    await scene.add(kind, ONE, "900", OLD, 3)
    await scene.add(kind, ONE, "901", OLD, 2)
    await scene.policy(ONE, kind)
    await scene.hold(ONE, "900")
    await scene.hold(TWO, "901")
    plan = (await scene.plan())[ONE, kind]
    assert (plan.going, plan.held) == (2, {"900": 3})
    assert [r.removed for r in (await scene.swept()).recorded] == [2]
    assert await scene.left(kind, ONE) == 3
    assert await rules.lift_hold(scene.db, ONE, "900")
    assert [r.removed for r in (await scene.swept()).recorded] == [3]
    assert await scene.left(kind, ONE) == 0
    await scene.audit_published()
    assert await scene.wrong() is None


@pytest.mark.parametrize("kind", Kind)
async def test_nothing_of_a_held_site_goes(scene: Scene, kind: Kind) -> None:
    for site in (ONE, TWO):
        await scene.add(kind, site, "900", OLD, 3)
        await scene.policy(site, kind)
    await scene.hold(ONE)
    assert (await scene.plan())[ONE, kind].held == {"": 3}
    assert [(r.site_id, r.removed) for r in (await scene.swept()).recorded] == [(TWO, 3)]
    assert (await scene.left(kind, ONE), await scene.left(kind, TWO)) == (3, 0)


async def test_idempotency_keys_are_of_no_page(scene: Scene) -> None:
    await scene.add(Kind.IDEMPOTENCY_KEYS, ONE, "900", OLD)
    await scene.policy(ONE, Kind.IDEMPOTENCY_KEYS)
    await scene.hold(ONE, "900")
    assert [r.removed for r in (await scene.swept()).recorded] == [1]


async def test_a_comment_whose_page_is_no_longer_known_stays_while_any_page_is_held(scene: Scene) -> None:
    await scene.add(Kind.COMMENTS, ONE, "900", OLD)
    await scene.db.execute("DELETE FROM approvals.outcome")
    await scene.policy(ONE, Kind.COMMENTS)
    await scene.hold(ONE, "901")
    assert (await scene.swept()).recorded == []
    assert await rules.lift_hold(scene.db, ONE, "901")
    assert [r.removed for r in (await scene.swept()).recorded] == [1]


async def test_a_hold_is_in_force_from_the_moment_it_is_placed(scene: Scene) -> None:
    await scene.add(Kind.COMMENTS, ONE, "900", OLD, 3)
    await scene.policy(ONE, Kind.COMMENTS)
    async with scene.db.transaction():
        await scene.hold(ONE)
        swept = await scene.swept(lock_seconds=0.02, batch_rows=4)
        assert [(r.removed, r.kind) for r in swept.unfinished] == [(0, Kind.COMMENTS)]
    assert (await scene.swept()).recorded == []
    assert await scene.left(Kind.COMMENTS, ONE) == 3


@pytest.mark.parametrize("days", [60, None])
async def test_a_policy_lengthened_or_removed_ends_the_run_that_went_by_it(scene: Scene, days: int | None) -> None:
    await scene.add(Kind.COMMENTS, ONE, "900", OLD, 6)
    await scene.policy(ONE, Kind.COMMENTS)
    sweep = scene.sweep(batch_rows=2)
    sweep._progress = _stop
    with pytest.raises(InterruptedError):
        await sweep.run_once()
    if days is None:
        assert await rules.remove_policy(scene.db, ONE, Kind.COMMENTS)
    else:
        await scene.policy(ONE, Kind.COMMENTS, days)
    assert [r.removed for r in (await scene.swept()).recorded] == [2]
    assert await scene.left(Kind.COMMENTS, ONE) == 4


def _stop(_: Run, __: int) -> None:
    raise InterruptedError


@pytest.mark.parametrize(("kind", "days"), [
    (Kind.OUTCOMES, 7), (Kind.IDEMPOTENCY_KEYS, 7), (Kind.AUDIT, 30), (Kind.COMMENTS, 0), (Kind.APPROVALS, 0),
])
async def test_what_the_log_may_bring_again_is_kept(scene: Scene, kind: Kind, days: int) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await scene.policy(ONE, kind, days)
    await scene.policy(ONE, kind, days + 1)


async def test_batches_are_bounded_and_a_slow_one_is_halved(scene: Scene) -> None:
    await scene.add(Kind.COMMENTS, ONE, "900", OLD, 10)
    await scene.policy(ONE, Kind.COMMENTS)
    sizes: list[int] = []
    sweep = scene.sweep(batch_rows=4)
    sweep._progress = lambda _, count: sizes.append(count)
    await sweep.run_once()
    assert sizes == [4, 4, 2]

    await scene.add(Kind.COMMENTS, ONE, "900", OLD, 3)
    await scene.db.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN OLD; END $$;"
        "CREATE TRIGGER slow BEFORE DELETE ON approvals.comment FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    try:
        sizes.clear()
        sweep._settings = sweep._settings.model_copy(update={"batch_rows": 8, "statement_seconds": 0.35})
        swept = await sweep.run_once()
    finally:
        await scene.db.execute("DROP FUNCTION slow CASCADE")
    assert (sizes, [r.removed for r in swept.recorded]) == ([1, 1, 1], [3])


async def test_two_sweepers_at_once_and_one_works(scene: Scene) -> None:
    await scene.add(Kind.COMMENTS, ONE, "900", OLD, 5)
    await scene.policy(ONE, Kind.COMMENTS)
    publishing, refused = asyncio.Event(), asyncio.Event()

    async def publish(messages: Iterable[Outgoing]) -> None:
        publishing.set()
        await refused.wait()
        await scene.publish(messages)

    first = asyncio.create_task(Sweep(scene.pool, publish, scene.settings).run_once())
    await publishing.wait()
    try:
        with pytest.raises(AlreadySweeping):
            await scene.swept()
    finally:
        refused.set()
    assert [r.removed for r in (await first).recorded] == [5]
    assert (await scene.swept()).recorded == []
    assert len(scene.published) == 1


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


async def test_the_service_sweeps_by_itself_again_and_again(scene: Scene, database: Database) -> None:
    await scene.add(Kind.COMMENTS, ONE, "900", OLD, 5)
    await scene.policy(ONE, Kind.COMMENTS)
    settings = scene.settings.model_copy(update={"database": SecretStr(database.dsn("retention")), "sweep_interval": DAY / 86_400})
    async with build(settings) as app:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://retention.test") as client:
            ready = await client.get("/health/ready")
            assert (ready.status_code, ready.json()) == (200, {"database": True, "sweep": True})

        async def told() -> bool:
            return bool(await scene.db.fetchval("SELECT true FROM retention.run WHERE recorded_at IS NOT NULL"))

        await until(told)
        assert await scene.left(Kind.COMMENTS, ONE) == 0
        await scene.add(Kind.COMMENTS, ONE, "900", OLD, 2)

        async def swept_again() -> bool:
            return await scene.left(Kind.COMMENTS, ONE) == 0

        await until(swept_again)
