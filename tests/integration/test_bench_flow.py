"""A small load through the whole system: what the pipeline and the edge measure is counted for every decision."""

from collections.abc import AsyncIterator

import pytest

from bench.edge import _visit
from bench.flow import begin, hold, seeded
from bench.load import Shape
from bench.seed import approved
from bench.stage import Stage, opened
from bench.visible import Watch, in_archive, in_indexes
from bench.visitors import DECIDE, HOOK
from services.local.supervisor import SERVICES
from shared.contracts.topics import GROUPS

RATE, SECONDS = 60.0, 3.0
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Everything running, as the bench has it."""
    async with opened(tmp_path_factory.mktemp("bench"), lambda _: None, SERVICES) as started:
        await started.prepare(Shape())
        yield started


async def test_a_flow_counts_nothing_that_came_before_it(stage: Stage) -> None:
    """What is still on its way to the sinks when a flow begins is waited for."""
    earlier = await seeded(stage, "earlier", 3000)
    await stage.fill(earlier.decisions())
    load = await seeded(stage, "later", 30)
    flow = await begin(stage)
    assert await flow.done() == dict.fromkeys(GROUPS, 0)
    assert await approved(stage.db, "earlier") == len(earlier.places)
    await stage.fill(load.decisions())
    await flow.through(len(load))
    assert await flow.done() == dict.fromkeys(GROUPS, len(load))


async def test_every_decision_poured_is_found_in_the_indexes_and_in_the_archive(stage: Stage) -> None:
    """As many as were sent, each later than it was asked, and every page approved."""
    site, watch = "poured", Watch()
    load = await seeded(stage, site, int(RATE * SECONDS))
    async with watch.watching(stage.stack.postgres.dsn("console")):
        held = await hold(stage, site, load, RATE)
    assert held.poured.sent == len(load)
    assert held.poured.seconds >= SECONDS - 0.1
    assert set(held.flow.most()) == {*SERVICES, "postgres", "kafka"}
    assert await approved(stage.db, site) == len(load.places)
    for found in (await in_indexes(stage.db, watch, site), in_archive(stage.stack.state / "archive", site)):
        assert found.get_total_count() == len(load)
        assert found.get_min_value() > 0


async def test_every_visitor_is_answered(stage: Stage) -> None:
    """Decisions applied, webhooks taken, and nothing else."""
    visited, span = await _visit(stage, "visited", RATE / 2, SECONDS)
    decided, hooks = visited.latency[DECIDE].count, visited.latency[HOOK].count
    assert visited.answers == {"200": decided, "204": hooks}
    assert await approved(stage.db, "visited") == decided / 3
    assert span.done == decided + hooks
    assert 0 < visited.latency[DECIDE].p50 <= visited.latency[DECIDE].p99 <= visited.latency[DECIDE].most
