"""Break the running system in every way there is, and judge what it stored."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from random import randrange
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from chaos import report
from chaos.faults import CATALOGUE, Fault
from chaos.plan import plan
from chaos.run import run
from services.cli.ending import ended_well, until_told

Faults = Annotated[int, typer.Option(min=1, help="How many, one after the other.")]
Seed = Annotated[int | None, typer.Option(help="The same seed makes the same faults in the same order; else one by chance.")]
State = Annotated[Path | None, typer.Option(help="Empty, for data and logs, which stay; else one that is removed if nothing failed.")]
Rate = Annotated[float, typer.Option(min=1, help="Commands a second over HTTP.")]
Only = Annotated[str, typer.Option(help="Only faults whose kind and point begin so, as in 'kill at decision'.")]
Page = Annotated[Path | None, typer.Option(help="Where the report is kept, with a JSON file beside it.")]


def chaos(faults: Faults = 1000, seed: Seed = None, state: State = None, rate: Rate = 15, only: Only = "", page: Page = None) -> None:
    """Ends with 1 if a guarantee does not hold, a fault was not recovered from, or a command became what it should not have."""
    console, seed = Console(), randrange(1 << 31) if seed is None else seed  # noqa: S311 - made to be repeated
    chosen = plan(seed, faults, [fault for fault in CATALOGUE if str(fault).startswith(only)])
    if not chosen:
        raise typer.BadParameter(f"no fault begins with {only!r}")
    console.print(f"{faults} faults of seed {seed}")
    where = Path(tempfile.mkdtemp(prefix="approvalflow-chaos-")) if state is None else state
    with ended_well(console), Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=len(chosen))

        def progress(number: int, fault: Fault) -> None:
            bar.update(task, completed=number, description=str(fault))
            if not console.is_terminal:
                console.print(f"{number} {fault}", markup=False)

        def notice(text: str) -> None:
            console.print(text, markup=False)

        notice(f"data and logs are in {where}")
        shown = asyncio.run(until_told(run(where, seed, chosen, rate, notice, progress)))
    report.show(console, shown)
    if page is not None:
        report.save(shown, page)
    if shown.failures():
        raise typer.Exit(1)
    if state is None:
        shutil.rmtree(where)


if __name__ == "__main__":
    typer.run(chaos)
