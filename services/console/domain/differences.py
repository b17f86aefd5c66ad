"""Pure: what one version of a workflow says otherwise than another."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

from services.console.domain import words
from shared.contracts.workflow import Approver, Definition, Step


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was said and is no more, and what is said instead."""

    of: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepDifference:
    """A step of either version. ``before`` and ``after`` are its numbers there, counted from 1."""

    before: int | None
    after: int | None
    name: str
    changes: tuple[Change, ...]

    @property
    def state(self) -> Literal["added", "removed", "changed", "unchanged"]:
        """What became of it."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "changed" if self.changes else "unchanged"


def of_workflow(old: Definition, new: Definition) -> tuple[Change, ...]:
    """What is said of the workflow as a whole."""
    return _changes(
        ("Name", [old.name], [new.name]), ("Owners", old.owners, new.owners),
        ("When the page is edited", [words.on_edit(old.on_edit)], [words.on_edit(new.on_edit)]),
        ("Four eyes", [words.four_eyes(old.four_eyes)], [words.four_eyes(new.four_eyes)]),
    )


def of_steps(old: Definition, new: Definition) -> Iterator[StepDifference]:
    """Each step, by what the two versions have in common; one that took another's place is taken for that one, renamed."""
    names = [step.name for step in old.steps], [step.name for step in new.steps]
    for _, b, b_end, a, a_end in SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        for was, now in zip_longest(range(b, b_end), range(a, a_end)):
            yield _step(None if was is None else (was, old.steps[was]), None if now is None else (now, new.steps[now]))


def _step(was: tuple[int, Step] | None, now: tuple[int, Step] | None) -> StepDifference:
    before, after = [] if was is None else [was[1]], [] if now is None else [now[1]]
    changes = _changes(
        ("Name", [step.name for step in before], [step.name for step in after]),
        ("Rule", [_rule(step) for step in before], [_rule(step) for step in after]),
        ("Approvers", [named(who) for step in before for who in step.approvers], [named(who) for step in after for who in step.approvers]),
    )
    return StepDifference(None if was is None else was[0] + 1, None if now is None else now[0] + 1, (after or before)[0].name, changes)


def named(approver: Approver) -> str:
    """An approver as a line of text."""
    return f"group {approver.id}" if approver.kind == "group" else approver.id


def _rule(step: Step) -> str:
    return words.rule(step.rule, len(step.approvers))


def _changes(*said: tuple[str, Iterable[str], Iterable[str]]) -> tuple[Change, ...]:
    """Those of which something is no more, or is new."""
    found = (Change(of, _without(before, after), _without(after, before)) for of, before, after in said)
    return tuple(change for change in found if change.removed or change.added)


def _without(some: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    known = set(others)
    return tuple(one for one in some if one not in known)
