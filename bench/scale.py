"""More decision processes on the partitions of one topic: how fast they are, and how long sharing out anew keeps them."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench import seed
from bench.engine import drain
from bench.load import Load, Place, Shape
from bench.measure import committed, members
from bench.report import Figure, Report, Run
from bench.stage import Stage
from services.decision.wiring import GROUP

PROCESSES = (1, 2, 4)
_POLL_SECONDS = 0.02
_STEADY_SECONDS = 3.0


async def scale(stage: Stage, report: Report, rounds: int, approvals: int) -> None:
    """Rates of 1, 2 and 4 processes in turns, then what it takes when one joins and when it leaves."""
    figures = [
        Figure(name=f"processes: {many}", unit="decisions/s", runs=[], at=many, note="beside each other on the same cores")
        for many in PROCESSES
    ]
    for number in range(rounds):
        for figure, many in zip(figures, PROCESSES, strict=True):
            stage.notice(f"round {number + 1} of {rounds}: {figure.name}")
            figure.runs.append(await drain(stage, await _load(stage, f"scale-{number}-{many}", approvals), many))
    report.figures += figures
    await _rebalance(stage, report, approvals, rounds)


async def _load(stage: Stage, site: str, approvals: int) -> Load:
    await stage.prepare(Shape())
    load = Load([Place(site, str(n)) for n in range(approvals)])
    await seed.sites(stage.db, [site])
    await seed.approvals(stage.db, load.places)
    await seed.settle(stage.db)
    return load


async def _rebalance(stage: Stage, report: Report, approvals: int, rounds: int) -> None:
    """A second process joins one that is busy, and leaves it again, a few times."""
    pauses: dict[str, list[Run]] = {"nothing changes": [], "a process joins": [], "a process leaves": []}
    for number in range(rounds):
        stage.notice(f"round {number + 1} of {rounds}: a second process joins, and leaves")
        load = await _load(stage, f"rebalance-{number}", 2 * approvals)
        before = await committed(stage.admin, GROUP)
        await stage.fill(load.decisions())
        async with stage.processes("services.decision", 1, "decision"):
            async with asyncio.timeout(60):
                while await committed(stage.admin, GROUP) == before:
                    await asyncio.sleep(_POLL_SECONDS)
            for name, pause in zip(pauses, await _joined_and_left(stage), strict=True):
                pauses[name].append(Run(value=pause))
            async with asyncio.timeout(600):
                while await committed(stage.admin, GROUP) < before + len(load):
                    await asyncio.sleep(_POLL_SECONDS)
    note = "longest time without a commit, under load; each commit is of a whole batch"
    report.figures += [Figure(name=f"pause when {name}", unit="s", runs=runs, note=note) for name, runs in pauses.items()]


async def _joined_and_left(stage: Stage) -> tuple[float, float, float]:
    """The longest pause of one process by itself, while a second joins, and while that leaves."""
    deadline = time.perf_counter() + _STEADY_SECONDS

    async def later() -> bool:
        return time.perf_counter() > deadline

    def shared_by(many: int) -> Callable[[], Awaitable[bool]]:
        async def answer() -> bool:
            return await members(stage.admin, GROUP) == many

        return answer

    steady = await _longest_pause(stage, later)
    async with stage.processes("services.decision", 1, "decision") as [second]:
        joined = await _longest_pause(stage, shared_by(2))
        leaving = asyncio.create_task(second.stop())
        left = await _longest_pause(stage, shared_by(1))
        await leaving
    return steady, joined, left


async def _longest_pause(stage: Stage, over: Callable[[], Awaitable[bool]]) -> float:
    """Seconds of the longest time without a commit, from now until it is over and something is committed again.

    :raises TimeoutError: that did not come.
    """
    longest, last, done, ended = 0.0, time.perf_counter(), await committed(stage.admin, GROUP), False
    async with asyncio.timeout(60):
        while True:
            ended = ended or await over()
            reached, at = await committed(stage.admin, GROUP), time.perf_counter()
            if reached > done:
                longest, last, done = max(longest, at - last), at, reached
                if ended:
                    return longest
            await asyncio.sleep(_POLL_SECONDS)
