"""What retention tells the console over HTTP: the plan, and no more than it has time to count."""

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from services.console.plans import Plan, Plans
from services.retention.domain import Kind
from services.retention.ingress import POLICIES
from services.retention.ingress import Plans as Counting
from tests.integration.retention_scene import OLD, ONE, TWO, Scene


async def looked(scene: Scene, site: str | None = None, **changes: float) -> Plan | None:
    """The plan as the console reads it."""
    app = FastAPI()
    app.include_router(Counting(scene.pool, scene.settings.model_copy(update=changes)).router())
    async with AsyncClient(transport=ASGITransport(app)) as client:
        return await Plans(client, "http://retention").look(site)


async def test_the_plan_is_what_would_go_and_what_is_held(scene: Scene) -> None:
    for site in (ONE, TWO):
        await scene.add(Kind.COMMENTS, site, "900", OLD, 3)
        await scene.add(Kind.COMMENTS, site, "901", OLD, 2)
        await scene.policy(site, Kind.COMMENTS)
    await scene.hold(ONE, "901")
    await scene.hold(TWO)
    plan = await looked(scene)
    assert plan is not None
    assert [(rule.site_id, rule.kind, rule.keep_days, rule.going, rule.held) for rule in plan.rules] == [
        (ONE, "comments", 40, 3, {"901": 2}), (TWO, "comments", 40, 0, {"": 5}),
    ]
    assert [(hold.site_id, hold.page_id, hold.placed_by) for hold in plan.holds] == [(ONE, "901", "ann"), (TWO, "", "ann")]
    assert not plan.more
    assert await scene.left(Kind.COMMENTS, ONE) == 5


async def test_of_one_site_only_its_own_is_told(scene: Scene) -> None:
    for site in (ONE, TWO):
        await scene.policy(site, Kind.AUDIT)
        await scene.hold(site)
    plan = await looked(scene, TWO)
    assert plan is not None
    assert [rule.site_id for rule in plan.rules] == [hold.site_id for hold in plan.holds] == [TWO]


async def test_what_cannot_be_counted_in_time_is_said_to_be_unknown(scene: Scene) -> None:
    await scene.policy(ONE, Kind.COMMENTS)
    await scene.policy(ONE, Kind.OUTCOMES)
    async with scene.db.transaction():
        await scene.db.execute("LOCK TABLE approvals.comment IN ACCESS EXCLUSIVE MODE")
        plan = await looked(scene, lock_seconds=0.05)
    assert plan is not None
    assert [(rule.kind, rule.going) for rule in plan.rules] == [("comments", None), ("outcomes", 0)]


async def test_of_many_rules_some_are_told_and_that_there_are_others(scene: Scene) -> None:
    for n in range(POLICIES + 1):
        await scene.policy(f"site-{n:03}", Kind.COMMENTS)
    plan = await looked(scene)
    assert plan is not None
    assert (len(plan.rules), plan.more) == (POLICIES, True)


async def test_a_site_that_is_none_has_no_plan(scene: Scene) -> None:
    assert await looked(scene, "a b") is None
