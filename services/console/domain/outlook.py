"""Pure: what would become of a step if an approval reached it now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.workflow import All, Quorum, Step


@dataclass(frozen=True, slots=True)
class Crowd:
    """A group as the directory knows it, when that was read, and whether there are ``more`` people than those here."""

    read_at: datetime
    people: frozenset[str]
    more: bool = False


@dataclass(frozen=True, slots=True)
class GroupOutlook:
    """A group of a step: who it is now (None: never heard of), and whether that is fresh enough for it to decide."""

    id: str
    crowd: Crowd | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class StepOutlook:
    """Who could decide on a step now.

    ``margin`` is how many people must be kept from approving for the step to be stuck; at 0 or below it is stuck already.
    ``critical`` are those of whom that many would do.
    """

    step: Step
    people: frozenset[str]
    more: bool
    groups: tuple[GroupOutlook, ...]
    margin: int
    critical: frozenset[str]

    @property
    def stuck_by(self) -> int | None:
        """How many of ``critical`` having written a page would keep its approval here; None: more than a page has author and editor."""
        return self.margin if 0 < self.margin <= 2 else None


def outlook(steps: Iterable[Step], crowds: Mapping[str, Crowd], oldest: datetime) -> list[StepOutlook]:
    """For each step; a group last read before ``oldest`` lets nobody decide."""
    return [_step(step, crowds, oldest) for step in steps]


def _step(step: Step, crowds: Mapping[str, Crowd], oldest: datetime) -> StepOutlook:
    groups = tuple(
        GroupOutlook(name, crowds.get(name), name in crowds and crowds[name].read_at >= oldest) for name in step.group_seats
    )
    seats = [frozenset({account}) for account in step.account_seats]
    seats += [group.crowd.people if group.crowd and group.fresh else frozenset() for group in groups]
    people = frozenset[str]().union(*seats)
    more = any(group.fresh and group.crowd is not None and group.crowd.more for group in groups)
    if isinstance(step.rule, All):
        margin = min(map(len, seats))
        critical = frozenset[str]().union(*(seat for seat in seats if len(seat) == margin))
    else:
        margin = len(people) - (step.rule.n if isinstance(step.rule, Quorum) else 1) + 1
        critical = people
    return StepOutlook(step, people, more, groups, margin, critical)
