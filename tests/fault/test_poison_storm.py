"""So many unreadable records that no key of theirs can be the cause: the consumer stops, and nothing is passed over."""

from chaos.burst import Burst, on_intake, poison, submission
from shared.contracts.topics import INTAKE
from tests.fault.proof import prove
from tests.fault.scene import Scene, ended
from tests.waiting import until

LIMIT, STORM = 20, 90


async def test_a_poison_storm_stops_the_consumer_instead_of_filling_quarantine(scene: Scene) -> None:
    await scene.prepare(Burst("storm"))
    await scene.publish([poison(f"storm-{n}") for n in range(STORM)])
    await scene.publish(on_intake(submission(f"calm-{n}")) for n in range(STORM))
    for _ in range(2):  # started again, it does not take in a few more each time
        async with scene.decision(quarantine_limit=LIMIT) as process:
            await until(ended(process))
        assert "PoisonStorm" in process.tail(100)
        assert len((await scene.evidence()).quarantined) <= LIMIT
        assert await scene.committed() != await scene.ends(INTAKE.name)

    async with scene.decision():
        await scene.settled()
    found = await scene.evidence()
    await prove(found, scene.broker.bootstrap, scene.asked)
    assert len(found.quarantined) == STORM
    assert sum(page["page_id"].startswith("calm-") for page in found.pages) == STORM
