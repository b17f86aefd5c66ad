"""``decision`` killed at every point of a batch, under load: what is stored still bears out every guarantee."""

import signal

import pytest

from chaos.burst import ALICE, STATUS, Burst, on_intake, poison, submission, vote
from chaos.orders import Trap
from services.local.proof.evidence import Evidence
from tests.fault.proof import prove
from tests.fault.scene import Scene, ended
from tests.waiting import until

FOURTH = 4
"""The batch in which the process dies: some were settled before it, and more are to come."""


def unfinished(point: str, found: Evidence, committed: set[str]) -> set[str]:
    """The commands that show that the process died where it was to die."""
    decided, told = {o["id"] for o in found.outcomes}, {m.id for m in found.events}
    match point:
        case "written" | "half_told":
            return decided - told
        case "told":
            return (decided & told) - committed
        case _:
            return {m.id for m in found.intake if m.is_command} - decided


@pytest.mark.parametrize("point", ["opening", "closing", "written", "half_told", "told", "committed"])
async def test_killed_at_any_point_it_goes_on_as_if_nothing_had_happened(scene: Scene, point: str) -> None:
    load = Burst(point)
    await scene.prepare(load)
    await scene.publish(load.beginnings())
    async with scene.decision(Trap(point=point, nth=FOURTH)) as doomed:
        await scene.publish(load.endings())
        await until(ended(doomed))
    assert doomed.ended_with == -signal.SIGKILL

    found, reached = await scene.evidence(), await scene.committed()
    past = {(place.topic, place.partition): offset for place, offset in reached.items()}
    assert unfinished(point, found, {m.id for m in found.intake if m.offset < past.get((m.topic, m.partition), 0)})

    async with scene.decision():
        await scene.settled()
    found = await scene.evidence()
    await prove(found, scene.broker.bootstrap, scene.asked)
    ends = {p["page_id"]: (p["status"], p["round"]) for p in found.pages if p["page_id"].startswith(f"{point}.")}
    fates = load.fates()
    # A workflow has another key than its pages, so it may be archived before the last of them is submitted.
    refused = {page for page, fate in fates.items() if fate == "archived"} - ends.keys()
    assert ends == {page: STATUS[fate] for page, fate in fates.items() if page not in refused}


async def test_what_was_decided_before_a_record_that_nobody_can_read_is_told_even_so(scene: Scene) -> None:
    page = "before-poison"
    await scene.prepare(Burst(page))
    await scene.publish([on_intake(submission(page)), on_intake(vote(page, ALICE), reply=1), poison(page)])
    async with scene.decision(Trap(point="written")) as doomed:
        await until(ended(doomed))
    async with scene.decision():
        await scene.settled()
    found = await scene.evidence()
    await prove(found, scene.broker.bootstrap, scene.asked)
    assert [p["approvals"] for p in found.pages if p["page_id"] == page] == [1]
