"""Everything at once, judged at the end."""

import asyncio
import contextlib
import logging
import signal
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

T = TypeVar("T")
Seed = Annotated[int, typer.Option(help="The same seed makes the same sites, people and choices.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long traffic is sent.")]
Lanes = Annotated[int, typer.Option(min=1, max=256, help="Pages under approval at once.")]


def demo(seed: Seed = 1, seconds: Seconds = 20, lanes: Lanes = 32) -> None:
    """Start everything in a temporary directory, drive it as Confluence would, and judge what is stored.

    Ends with 1 if a guarantee does not hold, a command did not become what it should have, the audit log does not
    verify, or a process ends by itself.
    """
    from services.cli import report  # noqa: PLC0415 - loads only what it needs
    from services.local.demonstration import demonstrate  # noqa: PLC0415

    console = Console()
    with ended_well(console), tempfile.TemporaryDirectory(prefix="approvalflow-") as state:
        Path(state).chmod(0o711)  # PostgreSQL runs as a user of its own when started by root
        with bar(console, seconds) as (notice, progress):
            shown = asyncio.run(until_told(demonstrate(Path(state), seed, seconds, lanes, notice, progress)))
        report.everything(console, shown)
        if shown.failures():
            raise typer.Exit(1)


async def until_told(work: Coroutine[Any, Any, T]) -> T:
    """Do this work; SIGTERM gives it up as Ctrl-C does."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


@contextlib.contextmanager
def ended_well(console: Console) -> Iterator[None]:
    """Say why it did not, and end with 1; after a signal with 130."""
    from services.local.supervisor import ChildEnded, DidNotStart  # noqa: PLC0415 - loads only what it needs

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it complains of a broker that is still starting
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(130) from None
    except BaseExceptionGroup as failures:
        ours, rest = failures.split((ChildEnded, DidNotStart))
        if ours is None or rest is not None:
            raise
        for failure in leaves(ours):
            console.print(str(failure), style="red", markup=False)
        raise typer.Exit(1) from None
    except (ChildEnded, DidNotStart) as failure:
        console.print(str(failure), style="red", markup=False)
        raise typer.Exit(1) from None


def leaves(failures: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Each failure by itself."""
    for failure in failures.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            yield from leaves(failure)
        else:
            yield failure


@contextlib.contextmanager
def bar(console: Console, seconds: float) -> Iterator[tuple[Callable[[str], None], Callable[[float], None]]]:
    """A progress bar for ``seconds`` of traffic on a terminal, else plain lines only."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("traffic", total=seconds)

        def notice(text: str) -> None:
            console.print(text, markup=False)

        yield notice, lambda done: progress.update(task, completed=done)
