"""What a sweep removes by which policy, and how, on a real database and a real log."""

import asyncio
from collections.abc import Iterable

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from services.retention.domain import Kind, Run
from services.retention.store import rules
from services.retention.sweep import AlreadySweeping, Sweep
from services.retention.wiring import build
from shared.kafka import Outgoing
from tests.integration.retention_scene import DAY, OLD, ONE, TWO, YOUNG, Scene
from tests.stack import Database
from tests.waiting import until


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
