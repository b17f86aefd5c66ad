"""Break the running system in every way there is, and judge what it stored."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from random import randrange
from typing import Annotated

import typer

from chaos import report
from chaos.faults import CATALOGUE, Fault
from chaos.plan import plan
from chaos.run import run
from services.cli.ending import ended_well, until_told
from services.cli.progress import AsJson, console, emit, shown
from services.local.annotations import Annotations

Faults = Annotated[int, typer.Option(min=1, help="How many, one after the other.")]
Seed = Annotated[int | None, typer.Option(help="The same seed makes the same faults in the same order; else one by chance.")]
State = Annotated[Path | None, typer.Option(help="Empty, for data and logs, which stay; else one that is removed if nothing failed.")]
Rate = Annotated[float, typer.Option(min=1, help="Commands a second over HTTP.")]
Only = Annotated[str, typer.Option(help="Only faults whose kind and point begin so, as in 'kill at decision'.")]
Page = Annotated[Path | None, typer.Option(help="Where the report is kept, with a JSON file beside it.")]


def chaos(
    faults: Faults = 1000, seed: Seed = None, state: State = None, rate: Rate = 15, only: Only = "", page: Page = None,
    as_json: AsJson = False,
) -> None:
    """Break the running system in every way there is, and judge what it stored.

    Ends with 0 if it kept every promise; with 1 if a guarantee does not hold, a fault was not recovered from, a command
    became what it should not have, or the system did not start; with 2 if it is called wrongly; with 130 if it was told
    to stop.
    """
    seed = randrange(1 << 31) if seed is None else seed  # noqa: S311 - made to be repeated
    wanted = [fault for fault in CATALOGUE if str(fault).startswith(only)]
    if not wanted:
        raise typer.BadParameter(f"no fault begins with {only!r}")
    chosen = plan(seed, faults, wanted)
    where = Path(tempfile.mkdtemp(prefix="approvalflow-chaos-")) if state is None else state
    with ended_well(console(stderr=True)), shown() as work, Annotations.opened(work.notice) as marks:
        step = work.step("starting", len(chosen), "faults")

        def progress(number: int, fault: Fault) -> None:
            step.at(number, f"{number} {fault}")
            marks.now(str(fault), "chaos")

        work.notice(f"{faults} faults of seed {seed}; data and logs are in {where}")
        found = asyncio.run(until_told(run(where, seed, chosen, rate, work.notice, progress)))
        step.at(len(found.suffered), "faults")
    if as_json:
        emit(report.as_data(found))
    else:
        report.show(console(), found)
    if page is not None:
        report.save(found, page)
    if found.failures():
        raise typer.Exit(1)
    if state is None:
        shutil.rmtree(where)


if __name__ == "__main__":
    typer.run(chaos)
