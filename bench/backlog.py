"""Is the memory of each service bounded by the size of its batches, rather than by what waits for it?"""

import asyncio
import contextlib

from bench.flow import begin, seeded
from bench.load import Shape
from bench.report import Figure, Goal, Report, Run
from bench.stage import Stage

SMALL = 60_000
_WATCHED_SECONDS = 60.0
_GROWTH = 1.2


async def waiting(stage: Stage, report: Report, most: int) -> None:
    """The most memory of each service while it works on a small backlog and on a large one.

    :raises TimeoutError: the small backlog was not worked off.
    """
    await stage.prepare(Shape())
    figures = []
    for size in dict.fromkeys((SMALL, most)):
        stage.notice(f"backlog: {size:,} commands wait")
        resident = await _watched(stage, size)
        note = ", ".join(f"{name} {used:,.0f}" for name, used in resident.items())
        run = Run(value=sum(resident.values()), memory=resident)
        figures.append(Figure(name=f"backlog: {size:,}, all services", unit="MB", runs=[run], note=note))
    report.figures += figures
    small, large = (figure.runs[0].memory for figure in (figures[0], figures[-1]))
    name, grown = max(((name, large[name] / small[name]) for name in large), key=lambda item: item[1])
    report.goals.append(Goal(what=f"memory with {most:,} waiting / with {SMALL:,} ({name})", wanted=_GROWTH, measured=grown, at_most=True))


async def _watched(stage: Stage, size: int) -> dict[str, float]:
    """Megabytes of each service at most, from when it starts on this backlog until that is worked off, or for a minute."""
    await stage.stack.children["decision"].stop()
    load, flow = await seeded(stage, f"backlog-{size}", size), await begin(stage)
    await stage.fill(load.decisions())
    stage.stack.start_service("decision")
    await stage.stack.wait_ready("decision")
    sampling = asyncio.create_task(flow.sampled())
    with contextlib.suppress(TimeoutError):  # a large backlog need not be worked off: its memory has been seen
        async with asyncio.timeout(_WATCHED_SECONDS):
            await flow.through(len(load))
    sampling.cancel()
    await asyncio.gather(sampling, return_exceptions=True)
    return {name: used for name, used in flow.most().items() if name in stage.stack.children}
