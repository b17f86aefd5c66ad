"""An old ``decision`` that is stopped in the middle of a batch, and wakes when a new one has decided the same records."""

import signal

import asyncpg
import psutil
import pytest

from chaos.burst import STATUS, Burst
from chaos.orders import Trap
from services.local.child import Child
from tests.fault.proof import prove
from tests.fault.scene import Scene
from tests.waiting import until

_WRITTEN = """
    SELECT json_build_array((SELECT json_agg(p ORDER BY page_id) FROM approvals.page p),
                            (SELECT json_agg(o ORDER BY command_id) FROM approvals.outcome o))::text
"""


async def written(scene: Scene) -> str:
    """All pages and outcomes."""
    db = await asyncpg.connect(scene.database.dsn())
    try:
        return str(await db.fetchval(_WRITTEN))
    finally:
        await db.close()


async def stopped(child: Child) -> None:
    """Wait until the process has stopped itself."""

    async def answer() -> bool:
        return psutil.Process(child.pid).status() == psutil.STATUS_STOPPED

    await until(answer)


@pytest.mark.parametrize("point", ["opening", "closing"])
async def test_one_that_wakes_after_a_rebalance_writes_nothing_and_loses_nothing(scene: Scene, point: str) -> None:
    load = Burst(f"two-{point}")
    await scene.prepare(load)
    await scene.publish(load.beginnings())
    async with scene.decision(Trap(point=point, signal="SIGSTOP"), batch=2000) as old:
        await stopped(old)
        async with scene.decision() as new:
            await scene.settled()
            before, told = await written(scene), await scene.told()
            old.send(signal.SIGCONT)

            async def told_again() -> bool:
                return await scene.told() > told

            await until(told_again)
            assert await written(scene) == before

            # The old one held records of every partition, and gets only some of those back.
            await scene.shared_by(2)
            await scene.publish(load.endings())
            await scene.settled()
            assert old.alive
            assert new.alive
    found = await scene.evidence()
    await prove(found, scene.broker.bootstrap, scene.asked)
    ends = {p["page_id"]: (p["status"], p["round"]) for p in found.pages if p["page_id"].startswith(f"{load.name}.")}
    assert ends == {page: STATUS[fate] for page, fate in load.fates().items()}
