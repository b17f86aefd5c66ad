"""What is held stays, whatever its age."""


import pytest

from services.retention.domain import Kind
from services.retention.store import rules
from tests.integration.retention_scene import OLD, ONE, TWO, Scene


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
