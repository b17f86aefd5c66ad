"""Everything at once, judged at the end."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from services.cli.ending import ended_well, until_told
from services.cli.progress import SECONDS, AsJson, Work, console, emit, shown

Seed = Annotated[int, typer.Option(help="The same seed makes the same sites, people and choices.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long traffic is sent.")]
Lanes = Annotated[int, typer.Option(min=1, max=256, help="Pages under approval at once.")]


def demo(seed: Seed = 1, seconds: Seconds = 20, lanes: Lanes = 4, as_json: AsJson = False) -> None:
    """Start everything in a temporary directory, drive it as Confluence would, and judge what is stored.

    Ends with 0 if all is as it should be; with 1 if a guarantee does not hold, a command did not become what it should
    have, the audit log does not verify, or a process does not start or ends by itself; with 2 if it is called wrongly;
    with 130 if it was told to stop.
    """
    from services.cli import report
    from services.local.demonstration import demonstrate

    with ended_well(console(stderr=True)), tempfile.TemporaryDirectory(prefix="approvalflow-") as state:
        with traffic(seconds) as (work, progress):
            found = asyncio.run(until_told(demonstrate(Path(state), seed, seconds, lanes, work.notice, progress)))
        if as_json:
            emit(report.as_data(found))
        else:
            report.everything(console(), found)
        if found.failures():
            raise typer.Exit(1)


@contextlib.contextmanager
def traffic(seconds: float) -> Iterator[tuple[Work, Callable[[float], None]]]:
    """What hears, after each page that was approved, for how many ``seconds`` traffic has been sent, and shows it."""
    pages = 0
    with shown() as work:
        step = work.step("traffic", seconds, SECONDS)

        def approved(done: float) -> None:
            nonlocal pages
            pages += 1
            step.at(done, also=f"{pages:,} pages approved, {pages / max(done, 1e-3):,.1f} a second")

        yield work, approved
