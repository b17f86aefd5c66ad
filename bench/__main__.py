"""Start a database and a broker, measure, stop them; the results are printed and kept under ``bench/results``."""

import logging
import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from bench import chart
from bench.compare import Sizes, compare
from bench.report import Report, conditions
from bench.show import show
from bench.stage import opened

LOAD = "Two-step approvals, step one two of three, step two one of one: three decisions an approval."
app = typer.Typer(help=__doc__, pretty_exceptions_show_locals=False)
console = Console()


def notice(text: str) -> None:
    """A line of progress."""
    console.print(text, markup=False, highlight=False)


@app.callback(invoke_without_command=True)
def everything(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=1, help="How often each contender is measured, in turns.")] = 3,
    approvals: Annotated[int, typer.Option(min=10_000, help="Approvals that the engine decides each round.")] = 100_000,
    processes: Annotated[int, typer.Option(min=1, max=8, help="Decision processes of the engine.")] = 2,
) -> None:
    """The engine against its baselines."""
    if context.invoked_subcommand is None:
        uvloop.run(_everything(rounds, Sizes(engine=approvals), processes))


async def _everything(rounds: int, sizes: Sizes, processes: int) -> None:
    report = Report(load=LOAD)
    with tempfile.TemporaryDirectory(prefix="approvalflow-bench-", dir=_disk()) as directory:
        async with opened(Path(directory), notice) as stage:
            report.conditions = await conditions(stage)
            await compare(stage, report, rounds, sizes, processes)
    show(console, report)
    notice(f"kept in {report.save('latest')} and {chart.bars(report, 'latest')}")


def _disk() -> Path:
    """A directory of this checkout, since the system's temporary one may be in memory."""
    directory = Path(".local").resolve()
    directory.mkdir(exist_ok=True)
    return directory


if __name__ == "__main__":
    os.environ["APPROVALFLOW_REQUIRE_KAFKA"] = "1"
    for noisy in ("pogo_core", "aiokafka"):  # each migration, and each time the broker does not answer yet
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    app()
