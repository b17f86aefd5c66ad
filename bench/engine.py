"""How fast ``decision`` drains a full ``intake.v1``."""

from collections.abc import Mapping

from bench import seed
from bench.load import Load, Place
from bench.measure import committed, memory
from bench.report import Run
from bench.stage import Stage
from services.decision.wiring import GROUP


async def engine(stage: Stage, site: str, approvals: int, processes: int) -> Run:
    """Decisions a second of so many processes in one group, on approvals of the usual shape on one site.

    :raises AssertionError: not every page was approved.
    """
    load = Load([Place(site, str(n)) for n in range(approvals)])
    await stage.prepare(load.shape)
    await seed.sites(stage.db, [site])
    await seed.approvals(stage.db, load.places)
    await seed.settle(stage.db)
    run = await drain(stage, load, processes)
    if (approved := await seed.approved(stage.db, site)) != approvals:
        raise AssertionError(f"{approved} of {approvals} pages approved")
    return run


async def drain(stage: Stage, load: Load, processes: int, settings: Mapping[str, str] | None = None) -> Run:
    """Put a load on the log, start the processes with these settings, and measure until they have decided all of it."""
    before = await committed(stage.admin, GROUP)
    await stage.fill(load.decisions())
    async with stage.processes("services.decision", processes, "decision", settings) as children:
        span = await stage.drained(children, GROUP, processes, len(load), before)
        return Run(value=span.rate, cpu=span.microseconds(), memory=memory({"service": [child.pid for child in children]}))
