"""The engine and what it is compared with, in turns, so that what changes on the machine meanwhile changes it for all."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.ceiling import ceiling
from bench.engine import engine
from bench.one_by_one import naive
from bench.report import Figure, Goal, Report, Run
from bench.stage import Stage

ENGINE, CEILING, NAIVE, NAIVE_8 = "engine", "ceiling", "naive", "naive, 8 in flight"
Contender = Callable[[str], Awaitable[Run]]
_WARM = 10_000
"""Approvals decided before anything is measured, so that the first round finds the servers as the last one does."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many approvals each gets, three decisions each: some seconds of work for each of them."""

    engine: int = 100_000
    naive: int = 2_000
    naive_8: int = 6_000


def contenders(stage: Stage, sizes: Sizes, processes: int) -> dict[str, tuple[Contender, str]]:
    """Everyone, with what is to be known of it; the ceiling writes what the engine of the same round wrote."""
    return {
        ENGINE: (lambda site: engine(stage, site, sizes.engine, processes), f"{processes} decision process(es) drain intake.v1"),
        CEILING: (lambda site: ceiling(stage, site), "the engine's rows, only written: 4 connections, no broker, no deciding"),
        NAIVE: (lambda site: naive(stage, site, sizes.naive, 1), "FastStream, one transaction a message"),
        NAIVE_8: (lambda site: naive(stage, site, sizes.naive_8, 8), "the same with 8 consumers in one process"),
    }


async def compare(stage: Stage, report: Report, rounds: int, sizes: Sizes, processes: int) -> None:
    """Measure all of them in turns, and add what was measured, and what was wanted of it, to the report.

    One that fails is reported, and left out of the rounds that follow.
    """
    everyone = contenders(stage, sizes, processes)
    figures = {name: Figure(name=name, unit="decisions/s", runs=[], note=note) for name, (_, note) in everyone.items()}
    stage.notice("warming up")
    await _tried(report, ENGINE, engine(stage, "warm", _WARM, processes))
    for number in range(rounds):
        for name, (measure, _) in everyone.items():
            if name in report.failures:
                continue
            stage.notice(f"round {number + 1} of {rounds}: {name}")
            figures[name].runs += await _tried(report, name, measure(f"round-{number}"))
    report.figures += [figure for figure in figures.values() if figure.runs]
    report.goals += _goals(figures)


async def _tried(report: Report, name: str, measuring: Awaitable[Run]) -> list[Run]:
    """What was measured, or nothing and why."""
    try:
        return [await measuring]
    except Exception as error:  # noqa: BLE001 - reported, and the others are measured all the same
        report.failures[name] = f"{type(error).__name__}: {error}"
        return []


def _goals(figures: dict[str, Figure]) -> list[Goal]:
    medians = {name: figure.spread()[1] for name, figure in figures.items() if figure.runs}
    if ENGINE not in medians:
        return []
    of = medians[ENGINE]
    ratios = {CEILING: 0.7, NAIVE: 20.0, NAIVE_8: 5.0}
    return [Goal(what="engine, decisions/s", wanted=25_000, measured=of)] + [
        Goal(what=f"engine / {name}", wanted=wanted, measured=of / medians[name]) for name, wanted in ratios.items() if name in medians
    ]
