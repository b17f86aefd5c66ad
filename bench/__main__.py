"""Measure on a database and a broker of its own, started for it and stopped again.

Each command prints what it measured as it goes, then a table, and keeps all of it in bench/results (JSON and SVG). A part
that fails is reported, and the others are measured all the same.
"""

import asyncio
import contextlib
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from bench import chart
from bench.backlog import waiting
from bench.compare import Sizes, compare
from bench.edge import edge
from bench.growth import growth as growing
from bench.page import PAGES, written
from bench.pipeline import Plan, pipeline
from bench.profiled import profile as profiling
from bench.report import Report, conditions
from bench.scale import scale as scaling
from bench.show import show
from bench.stage import Stage, opened
from bench.telemetry import telemetry as measure_telemetry
from services.cli import progress
from services.cli.ending import leaves, stoppable, until_told
from services.cli.progress import AsJson, Work
from services.local.annotations import Annotations
from services.local.supervisor import SERVICES, Notice

LOAD = "Two-step approvals, step one two of three, step two one of one: three decisions an approval."
Part = Callable[[Stage], Awaitable[None]]
Parts = dict[str, tuple[tuple[str, ...], Part]]
"""What is measured, by name, each with the services that it needs running."""
Chart = Callable[[Report, str], Path]
ENDS = """Every command ends with 0 if all of it was measured, whatever the figures; with 1 if a part failed; with 2 if it is
called wrongly; with 130 if it was told to stop."""
app = typer.Typer(help=__doc__, pretty_exceptions_show_locals=False)


@app.callback(invoke_without_command=True, epilog=ENDS)
def everything(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=1, help="How often the engine and its baselines are measured, in turns.")] = 3,
    approvals: Annotated[int, typer.Option(min=10_000, help="Approvals that the engine decides each round.")] = 100_000,
    processes: Annotated[int, typer.Option(min=1, max=8, help="Decision processes of the engine.")] = 2,
    pipeline_seconds: Annotated[float, typer.Option(min=5, help="How long the pipeline is held at a rate; 300 shows memory too.")] = 30,
    edge_seconds: Annotated[float, typer.Option(min=5, help="How long each rate of the edge is sent.")] = 10,
    as_json: AsJson = False,
) -> None:
    """The engine against its baselines, the whole pipeline, and the edge."""
    if context.invoked_subcommand is not None:
        return
    report = Report(load=LOAD)
    plan = Plan(held=pipeline_seconds)
    _run(report, "latest", chart.bars, {
        "engine and baselines": ((), lambda stage: compare(stage, report, rounds, Sizes(engine=approvals), processes)),
        "pipeline": (SERVICES, lambda stage: pipeline(stage, report, plan)),
        "edge": (SERVICES, lambda stage: edge(stage, report, edge_seconds)),
    }, as_json)


@app.command(epilog=ENDS)
def growth(
    rounds: Annotated[int, typer.Option(min=1, help="How often each size is measured.")] = 3,
    most_open: Annotated[int, typer.Option("--open", help="Open approvals at most; 10000000 takes long, and much disk.")] = 1_000_000,
    backlog: Annotated[int, typer.Option(min=100_000, help="Commands waiting while memory is watched; 5000000 takes long.")] = 300_000,
    processes: Annotated[int, typer.Option(min=1, max=8, help="Decision processes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """What a decision costs as approvals, approvers, steps, sites and spaces grow, and memory as the backlog does."""
    report = Report(load=f"{LOAD} Unless a series says otherwise.")
    _run(report, "growth", chart.curves, {
        "growth": ((), lambda stage: growing(stage, report, rounds, most_open, processes)),
        "backlog": (SERVICES, lambda stage: waiting(stage, report, backlog)),
    }, as_json)


@app.command(epilog=ENDS)
def scale(
    rounds: Annotated[int, typer.Option(min=1, help="How often each number of processes is measured, in turns.")] = 2,
    approvals: Annotated[int, typer.Option(min=10_000, help="Approvals decided each time.")] = 60_000,
    as_json: AsJson = False,
) -> None:
    """1, 2 and 4 decision processes on the partitions of one topic, and the pause when one joins or leaves."""
    report = Report(load=LOAD)
    _run(report, "scale", chart.bars, {"scale": ((), lambda stage: scaling(stage, report, rounds, approvals))}, as_json)


@app.command(epilog=ENDS)
def telemetry(
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, in turns.")] = 3,
    approvals: Annotated[int, typer.Option(min=10_000, help="Approvals decided each time.")] = 60_000,
    processes: Annotated[int, typer.Option(min=1, max=8, help="Decision processes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """The engine with telemetry and without."""
    report = Report(load=LOAD)
    _run(report, "telemetry", chart.bars, {
        "telemetry": ((), lambda stage: measure_telemetry(stage, report, rounds, approvals, processes)),
    }, as_json)


@app.command(epilog=ENDS)
def profile(
    approvals: Annotated[int, typer.Option(min=40_000, help="Approvals decided while it is looked at.")] = 60_000,
    functions: Annotated[int, typer.Option(min=0, help="How many functions are listed.")] = 40,
    as_json: AsJson = False,
) -> None:
    """Where the CPU time of one decision process goes, by step of the protocol and by function."""
    report = Report(load=LOAD)
    _run(report, "profile", chart.parts, {"profile": ((), lambda stage: profiling(stage, report, approvals, functions))}, as_json)


@app.command()
def page() -> None:
    """Write the tables of figures in README.md and docs from the results that are kept."""
    for each in PAGES:
        each.write_text(written(each.read_text()))
        typer.echo(each)


def _run(report: Report, name: str, picture: Chart, parts: Parts, as_json: bool) -> None:
    """Each part on a stage of its own, then the JSON file, the chart and the table; ends with 1 if a part failed.

    Told to stop, it prints what it has and keeps nothing, since the last whole result is worth more.
    """
    os.environ.pop("APPROVALFLOW_KAFKA", None)
    os.environ["APPROVALFLOW_REQUIRE_KAFKA"] = "1"
    os.environ["APPROVALFLOW_ACTOR_REQUESTS"] = os.environ["APPROVALFLOW_SITE_REQUESTS"] = "0"  # a few voters ask for everything
    for noisy in ("pogo_core", "aiokafka"):  # each migration, and each time the broker does not answer yet
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        with progress.shown() as work, stoppable(), Annotations.opened(work.notice) as marks:
            uvloop.run(until_told(_all(report, parts, work, marks)))
            work.notice(f"kept in {report.save(name)} and {picture(report, name)}")
    finally:
        if as_json:
            progress.emit(report.model_dump(mode="json"))
        else:
            show(progress.console(), report)
    raise typer.Exit(1 if report.failures else 0)


async def _all(report: Report, parts: Parts, work: Work, marks: Annotations) -> None:
    step = work.step("parts", len(parts), "parts")
    for number, (name, (services, part)) in enumerate(parts.items()):
        step.at(number, name)
        try:
            async with _stage(services, work.notice) as stage:
                report.conditions = report.conditions or await conditions(stage)
                with marks.during(f"measuring: {name}", "bench"):
                    await part(stage)
        except Exception as error:  # noqa: BLE001 - reported, and the other parts are measured all the same
            told = leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
            report.failures[name] = "; ".join(f"{type(each).__name__}: {each}" for each in told)
            work.notice(f"{name} failed: {report.failures[name]}")
        step.at(number + 1)


@contextlib.asynccontextmanager
async def _stage(services: tuple[str, ...], notice: Notice) -> AsyncIterator[Stage]:
    """Servers over a directory of this checkout, since the system's temporary one may be in memory."""
    disk = Path(".local").resolve()
    await asyncio.to_thread(disk.mkdir, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=disk, ignore_cleanup_errors=True) as directory:
        async with opened(Path(directory), notice, services) as stage:
            yield stage


if __name__ == "__main__":
    app()
