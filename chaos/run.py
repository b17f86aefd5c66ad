"""One run: load, a fault, recovery, the next fault; then quiet, and the verdict."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil
from aiokafka.errors import KafkaError

from chaos.faults import HOUR, Fault
from chaos.load import Load
from chaos.plan import chance
from chaos.recovery import NotWell, until_well
from chaos.stage import Stage, staged
from chaos.waits import Wait
from services.audit_fanout.verify import verify
from services.local.proof.gather import gather
from services.local.proof.guarantees import Finding, judge
from services.local.quiet import until_quiet
from services.local.site.tally import Tally
from services.local.supervisor import DidNotStart, Notice
from shared.postgres import connect_across_sites

IDLE_LIMIT = 3.0
"""Seconds that no partition may stand still while members of its group come and go."""
_IN_VAIN = 3
"""After so many faults in a row that went wrong, a run has nothing more to show."""
_SETTLE = 120.0
Progress = Callable[[int, Fault], None]
"""Hears which fault comes next, and its number."""


@dataclass(frozen=True, slots=True)
class Suffered:
    """One fault, how long it lasted and how long the system then took, in seconds; or what went wrong instead."""

    fault: Fault
    held: float
    recovered: float | None
    wrong: str | None = None


@dataclass(slots=True)
class Report:
    """What a run showed."""

    seed: int
    broker: str
    tally: Tally
    seconds: float = 0.0
    """From the first fault to the last recovery."""
    suffered: list[Suffered] = field(default_factory=list)
    accepted: int = 0
    """Commands and facts that somebody was told are taken in, each of which the verdict is about."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Of all commands and facts, by reason."""
    stopped: str | None = None
    """Why it ended early, if it did."""
    ended: list[str] = field(default_factory=list)
    """Processes that ended by themselves and were started again, which some do rather than go on."""
    waits: list[Wait] = field(default_factory=list)
    verified: int = 0
    wrong: str | None = None
    findings: list[Finding] = field(default_factory=list)

    def failures(self) -> list[str]:
        """All that should not have been."""
        broken = [f"{f.name}: {f.breach}" for f in self.findings if f.breach is not None]
        lost = [f"{s.fault}: {s.wrong}" for s in self.suffered if s.wrong is not None]
        idle = [f"rolling restart: {wait}" for wait in self.waits if wait.seconds > IDLE_LIMIT]
        others = [other for other in (self.stopped, self.wrong) if other is not None]
        return [*broken, *lost, *idle, *self.tally.surprises, *others]


async def run(state: Path, seed: int, faults: Sequence[Fault], rate: float, notice: Notice, progress: Progress) -> Report:
    """Start everything, let it suffer, wait until it is quiet, judge, and stop everything.

    :raises DidNotStart: a part of it did not come up.
    """
    async with staged(state, notice) as stage:
        load = Load(stage.stack.address("command"), stage.stack.broker.bootstrap, stage.stack.issuer, seed, 3)
        report = Report(seed, stage.stack.broker.kind, load.tally)
        try:
            await load.prepare()
            began = time.perf_counter()
            async with load.flowing(rate) as flowing:
                for number, fault in enumerate(faults):
                    progress(number, fault)
                    report.suffered.append(await suffer(stage, load, fault, number, seed))
                    if flowing.done() or in_vain(report.suffered):
                        break
            report.seconds, report.stopped = time.perf_counter() - began, _why(flowing, report)
        finally:
            await load.close()
        notice("faults are over: waiting until everything is decided, audited and archived")
        await _judge(stage, load, report)
        return report


def in_vain(suffered: Sequence[Suffered]) -> bool:
    """Did the last few all go wrong?"""
    return len(suffered) >= _IN_VAIN and all(s.wrong is not None for s in suffered[-_IN_VAIN:])


def _why(flowing: "asyncio.Task[int]", report: Report) -> str | None:
    """Why a run ended before all its faults were had, if it did."""
    if not flowing.cancelled():
        return f"number {len(report.suffered) - 1} was the last, since traffic ended: {flowing.exception()!r}"
    if in_vain(report.suffered):
        return f"number {len(report.suffered) - 1} was the last of {_IN_VAIN} in a row that went wrong"
    return None


async def suffer(stage: Stage, load: Load, fault: Fault, number: int, seed: int) -> Suffered:
    """One fault, from its beginning until the system is well again."""
    random = chance(seed, number)
    held = random.uniform(*fault.hold)
    load.client.doubtful = fault.kind == "clock"
    burst = asyncio.create_task(load.burst(number))
    try:
        async with fault.act(stage, random):
            await asyncio.sleep(held)
        recovered = await until_well(stage, load)
        await burst
    except NotWell as late:
        return Suffered(fault, held, None, f"number {number}: {late}")
    except (TimeoutError, psutil.Error, KafkaError, DidNotStart) as error:
        return Suffered(fault, held, None, f"number {number} could not be done: {error!r}")
    finally:
        load.client.doubtful = False
        burst.cancel()
    return Suffered(fault, held, recovered)


async def _judge(stage: Stage, load: Load, report: Report) -> None:
    stack = stage.stack
    try:
        await until_quiet(stack.broker.bootstrap, _SETTLE)
    except TimeoutError:
        report.stopped = f"after the faults it did not come to rest within {_SETTLE:.0f} s"
    db = await connect_across_sites(stack.postgres.dsn("console"))
    try:
        verdict = await verify(db)
    finally:
        await db.close()
    found = await gather(stack.postgres.dsn(), stack.broker.bootstrap, stack.state / "archive")
    load.tally.bears_witness(found)
    found.accepted |= load.sender.acknowledged
    found.clock_error = timedelta(seconds=HOUR)
    report.findings = await asyncio.to_thread(judge, found)
    report.verified, report.wrong = verdict.verified, None if verdict.wrong is None else f"audit log: {verdict.wrong}"
    report.accepted, report.ended, report.waits = len(found.accepted) + len(found.told), stage.ended, stage.waits
    report.outcomes = Counter(o["reason"] or "applied" for o in found.outcomes)
