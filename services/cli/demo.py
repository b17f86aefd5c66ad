"""Everything at once, judged at the end."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from services.cli.ending import ended_well, until_told

Seed = Annotated[int, typer.Option(help="The same seed makes the same sites, people and choices.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long traffic is sent.")]
Lanes = Annotated[int, typer.Option(min=1, max=256, help="Pages under approval at once.")]


def demo(seed: Seed = 1, seconds: Seconds = 20, lanes: Lanes = 4) -> None:
    """Start everything in a temporary directory, drive it as Confluence would, and judge what is stored.

    Ends with 1 if a guarantee does not hold, a command did not become what it should have, the audit log does not
    verify, or a process ends by itself.
    """
    from services.cli import report
    from services.local.demonstration import demonstrate

    console = Console()
    with ended_well(console), tempfile.TemporaryDirectory(prefix="approvalflow-") as state:
        with bar(console, seconds) as (notice, progress):
            shown = asyncio.run(until_told(demonstrate(Path(state), seed, seconds, lanes, notice, progress)))
        report.everything(console, shown)
        if shown.failures():
            raise typer.Exit(1)


@contextlib.contextmanager
def bar(console: Console, seconds: float) -> Iterator[tuple[Callable[[str], None], Callable[[float], None]]]:
    """A progress bar for ``seconds`` of traffic on a terminal, else plain lines only."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("traffic", total=seconds)

        def notice(text: str) -> None:
            console.print(text, markup=False)

        yield notice, lambda done: progress.update(task, completed=done)
