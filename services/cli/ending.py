"""How a command ends: by itself, by a signal, or because a process did not start or ended."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import typer
from rich.console import Console

T = TypeVar("T")
STOPPED = 130


async def until_told(work: Coroutine[Any, Any, T]) -> T:
    """Do this work; SIGTERM and SIGHUP give it up as Ctrl-C does."""
    task = asyncio.ensure_future(work)
    if threading.current_thread() is threading.main_thread():  # no other hears of signals
        for what in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(what, task.cancel)
    return await task


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """After a signal, end with 130."""
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(STOPPED) from None


@contextlib.contextmanager
def ended_well(console: Console) -> Iterator[None]:
    """Say why it did not, and end with 1; after a signal with 130."""
    from services.local.supervisor import ChildEnded, DidNotStart

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it complains of a broker that is still starting
    try:
        with stoppable():
            yield
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
