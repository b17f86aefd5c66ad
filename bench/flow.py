"""The running system while decisions flow through it: what is poured in, how far each reader is, what each process takes."""

import asyncio
import statistics
import sys
from dataclasses import dataclass, field

from bench import seed
from bench.load import Load, Place
from bench.measure import Processes, Sample, Span, committed, memory, sample
from bench.pour import Order, Poured
from bench.stage import Stage
from services.local.child import Child, DidNotStart
from services.local.quiet import until_quiet
from services.local.supervisor import PARTITIONS
from shared.contracts.topics import GROUPS

_POLL_SECONDS = 0.1
_MEMORY_SECONDS = 1.0
_PATIENCE = 900.0
_SETTLE_SECONDS = 120.0


@dataclass(slots=True)
class Flow:
    """One load on its way: the system's processes, and what each group had committed before it."""

    stage: Stage
    before: dict[str, int]
    resident: list[dict[str, float]] = field(default_factory=list)
    """Megabytes of each process, once a second."""

    @property
    def watched(self) -> Processes:
        """Every process of the system."""
        return {name: [child.pid] for name, child in self.stage.stack.children.items()} | self.stage.servers

    async def done(self) -> dict[str, int]:
        """How far each group has come with this load."""
        return {group: await committed(self.stage.admin, group) - self.before[group] for group in GROUPS}

    async def through(self, records: int) -> Span:
        """Wait until every group has so many records of this load; measured from when the first group had some.

        :raises DidNotStart: a service ended.
        :raises TimeoutError: they have not in time.
        """
        started: Sample | None = None
        async with asyncio.timeout(_PATIENCE):
            while True:
                done = await self.done()
                if started is None and any(done.values()):
                    started = sample(min(done.values()), self.watched)
                if started is not None and min(done.values()) >= records:
                    return Span(started, sample(records, self.watched))
                if ended := [child for child in self.stage.stack.children.values() if not child.alive]:
                    raise DidNotStart(ended[0].tail())
                await asyncio.sleep(_POLL_SECONDS)

    async def sampled(self) -> None:
        """Keep what each process takes, until cancelled."""
        while True:
            self.resident.append(memory(self.watched))
            await asyncio.sleep(_MEMORY_SECONDS)

    def most(self) -> dict[str, float]:
        """The most that each process took."""
        return {name: max(now[name] for now in self.resident) for name in self.resident[0]}

    def growth(self) -> tuple[str, float]:
        """The service whose memory grew most, and its last quarter over its second one: the first is for warming up."""
        quarter = max(1, len(self.resident) // 4)
        second, last = self.resident[quarter:2 * quarter] or self.resident, self.resident[-quarter:]
        grown = {name: _median(last, name) / _median(second, name) for name in self.stage.stack.children}
        return max(grown.items(), key=lambda item: item[1])


def _median(samples: list[dict[str, float]], name: str) -> float:
    return statistics.median(now[name] for now in samples)


async def begin(stage: Stage) -> Flow:
    """A flow of what is poured from now on, once what came before is through.

    :raises TimeoutError: that is not, in time.
    """
    await until_quiet(stage.stack.broker.bootstrap, _SETTLE_SECONDS)
    return Flow(stage, {group: await committed(stage.admin, group) for group in GROUPS})


async def seeded(stage: Stage, site: str, decisions: int) -> Load:
    """As many open approvals on a site of their own as take about so many decisions."""
    load = Load([Place(site, str(n)) for n in range(max(1, round(decisions / 3)))])
    await seed.sites(stage.db, [site])
    await seed.approvals(stage.db, load.places)
    await seed.settle(stage.db)
    return load


@dataclass(frozen=True, slots=True)
class Held:
    """A load poured at a fixed rate."""

    flow: Flow
    span: Span
    poured: Poured
    behind: int
    """Records that the last group had before it when the last was poured."""


async def hold(stage: Stage, site: str, load: Load, rate: float) -> Held:
    """Pour a load at a rate, from a process of its own, and wait until all of it is through.

    :raises DidNotStart: that process failed.
    """
    flow = await begin(stage)
    order = Order(kafka=stage.stack.broker.bootstrap, site=site, pages=len(load.places), rate=rate, partitions=PARTITIONS)
    sampling, through = asyncio.create_task(flow.sampled()), asyncio.create_task(flow.through(len(load)))
    command = [sys.executable, "-m", "bench.pour", order.model_dump_json()]
    child = Child("pour", command, stage.stack.state / "logs" / f"pour-{site}.log")
    try:
        poured = Poured.model_validate_json(await said(child))
        behind = poured.sent - min((await flow.done()).values())
        return Held(flow, await through, poured, behind)
    finally:
        sampling.cancel()
        through.cancel()
        await asyncio.gather(sampling, through, child.stop(), return_exceptions=True)


async def said(child: Child) -> str:
    """The last line of what a process said, once it has ended.

    :raises DidNotStart: it said nothing, or failed.
    """
    while child.alive:
        await asyncio.sleep(_POLL_SECONDS)
    lines = child.tail(1).splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise DidNotStart(child.tail())
    return lines[-1]
