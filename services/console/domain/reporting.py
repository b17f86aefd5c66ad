"""Pure: the range of a report, and what is reported of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from shared.contracts.reasons import Reason

LONGEST = 92
"""Days that one report may cover."""
USUAL = 28
"""Days that it covers unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Range:
    """From the beginning of one day to the end of another, in UTC."""

    first: date
    last: date

    @property
    def since(self) -> datetime:
        """The first moment of it."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def until(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last, time(), UTC) + timedelta(days=1)


def chosen(first: str, last: str, today: date) -> Range | str:
    """The days typed, where nothing is typed the usual ones; or what is wrong with them."""
    try:
        end = date.fromisoformat(last) if last else today
        begin = date.fromisoformat(first) if first else end - timedelta(days=USUAL - 1)
    except (ValueError, OverflowError):
        return "Give both days as in 2026-11-25."
    if not date(1970, 1, 1) <= begin <= end <= date(9998, 12, 31):
        return "The first day must not be after the last."
    if (end - begin).days >= LONGEST:
        return f"A report covers {LONGEST} days at most."
    return Range(begin, end)


@dataclass(frozen=True, slots=True)
class Week:
    """Approvals that ended in a week that begins on this Monday; ``median`` and ``p90`` in seconds from submission to the end."""

    monday: date
    approved: int = 0
    rejected: int = 0
    cancelled: int = 0
    median: float | None = None
    p90: float | None = None


def every(weeks: Iterable[Week], within: Range) -> list[Week]:
    """Those weeks, and those of the range in which nothing ended."""
    known = {week.monday: week for week in weeks}
    monday, found = within.first - timedelta(days=within.first.weekday()), []
    while monday <= within.last:
        found.append(known.get(monday) or Week(monday))
        monday += timedelta(days=7)
    return found


@dataclass(frozen=True, slots=True)
class Waiting:
    """Open approvals at one step of one version of a workflow: those submitted within a day, within a week, and before."""

    workflow_id: str
    workflow_version: int
    workflow_name: str
    step_name: str
    day: int
    week: int
    older: int
    oldest: datetime

    @property
    def approvals(self) -> int:
        """All of them."""
        return self.day + self.week + self.older


@dataclass(frozen=True, slots=True)
class Report:
    """``covered`` is since when there were few enough entries to be looked at: the beginning of the range, or later."""

    covered: datetime
    weeks: list[Week]
    waiting: list[Waiting]
    refusals: list[tuple[Reason, int]]
