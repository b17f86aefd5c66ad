"""How long work shows itself: on a terminal a bar with rate and time left, elsewhere the same as plain lines now and then.

All of it goes to standard error, so that standard output has the result alone: for a person, or as one JSON object.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="The result as one JSON object, for a program.")]
SECONDS = "s"
"""The unit of work that goes by the clock, and so has no rate of its own."""
_EVERY = 5.0
"""Seconds between two lines about the same thing, at least."""
_RATED_OVER = 300.0
"""Seconds that a rate is taken over, at most."""
_WIDTH = 150
"""Characters of a line that is kept in a file."""


class Work:
    """Shows what is being done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), _Told(), console=console, transient=True,
            disable=not console.is_terminal, speed_estimate_period=_RATED_OVER,
        )
        self._began = time.monotonic()
        self._lines: dict[TaskID, tuple[float, str | None]] = {}

    def step(self, what: str, total: float, unit: str) -> "Step":
        """Something of which so many units are to be done."""
        return Step(self, self.bar.add_task(what, total=total, unit=unit, also=""))

    def notice(self, text: str) -> None:
        """A line that stays, with the seconds since the start."""
        self._console.print(f"{time.monotonic() - self._began:6.0f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """A step has come further."""
        self.bar.update(task_id, **changes)
        if not self._console.is_terminal:
            self._line(next(task for task in self.bar.tasks if task.id == task_id))

    def _line(self, task: Task) -> None:
        """A line if something else is in hand, or it is over, or there was none for a while."""
        at, before = self._lines.get(task.id, (0.0, ""))
        now = None if task.finished else task.description
        if now != before or (not task.finished and time.monotonic() - at >= _EVERY):
            self._lines[task.id] = time.monotonic(), now
            self.notice(f"{task.description}: {told(task)}")


class Step:
    """One thing that is being done, as far as it has come."""

    def __init__(self, work: Work, task: TaskID) -> None:
        self._work = work
        self._task = task

    def at(self, done: float, what: str | None = None, also: str = "") -> None:
        """So much is done; ``what`` is in hand now, and ``also`` is worth telling."""
        self._work.update(self._task, completed=done, description=what, also=also)

    def add(self, more: float) -> None:
        """So much more is done."""
        self._work.update(self._task, advance=more)

    def of(self, done: float, total: float) -> None:
        """So much is done of what has only now shown itself to be so much."""
        self._work.update(self._task, completed=done, total=total)


class _Told(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(told(task))


def told(task: Task) -> str:
    """How far it is, how fast it goes, and how long it takes yet."""
    parts = [f"{task.completed:,.0f} of {task.total or 0:,.0f} {task.fields['unit']}"]
    if task.fields["also"]:
        parts.append(task.fields["also"])
    if task.fields["unit"] != SECONDS and (speed := task.speed):
        parts.append(f"{speed:,.0f} a second" if speed >= 1 else f"{60 * speed:,.1f} a minute")
    if task.finished:
        parts.append(f"took {timedelta(seconds=round(task.finished_time or 0))}")
    elif (left := task.time_remaining) is not None:
        parts.append(f"{timedelta(seconds=round(left))} left")
    return ", ".join(parts)


def console(*, stderr: bool = False) -> Console:
    """Where a result goes that is for a person; or where progress goes, and why a command failed."""
    made = Console(stderr=stderr)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _WIDTH
    return made


@contextlib.contextmanager
def shown(on: Console | None = None) -> Iterator[Work]:
    """Work that shows itself for the length of the block."""
    work = Work(on or console(stderr=True))
    with work.bar:
        yield work


def emit(result: Any) -> None:
    """The result, for a program."""
    typer.echo(orjson.dumps(result, default=str))
