"""Pure: a workflow's definition as it stands in a form, whatever has been typed there, and what is wrong with it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from services.console.domain import words
from shared.contracts.workflow import Approver, Definition, OnEdit, Quorum, Step

Mistakes = dict[str, list[str]]
"""What is wrong with each field, by its name in the form."""
MOST_STEPS = 50
_MOVE = re.compile(r"(add|remove|up|down)(?::([0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class StepDraft:
    """A step as typed: approvers one a line, a group as ``group:reviewers``; ``n`` matters to a quorum only."""

    name: str = ""
    approvers: str = ""
    rule: str = "any"
    n: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A definition as typed: owners one a line."""

    name: str = ""
    owners: str = ""
    on_edit: str = OnEdit.RESET
    four_eyes: bool = True
    steps: tuple[StepDraft, ...] = field(default=(StepDraft(),))


def of(definition: Definition) -> Draft:
    """A definition, to be changed."""
    return Draft(
        definition.name, "\n".join(definition.owners), definition.on_edit, definition.four_eyes,
        tuple(_step(step) for step in definition.steps),
    )


def _step(step: Step) -> StepDraft:
    n = str(step.rule.n) if isinstance(step.rule, Quorum) else ""
    return StepDraft(step.name, "\n".join(map(_line, step.approvers)), step.rule.kind, n)


def _line(approver: Approver) -> str:
    """A person whose account begins as if they were a group is told apart from one."""
    plain = approver.kind == "account" and not approver.id.startswith(("group:", "account:"))
    return approver.id if plain else f"{approver.kind}:{approver.id}"


def read(form: Mapping[str, str]) -> Draft:
    """What a form holds."""
    return Draft(
        form.get("name", ""), form.get("owners", ""), form.get("on_edit", ""), "four_eyes" in form, tuple(_steps(form)),
    )


def _steps(form: Mapping[str, str]) -> Iterator[StepDraft]:
    for n in range(MOST_STEPS):
        if f"step-{n}-name" not in form:
            return
        yield StepDraft(*(form.get(f"step-{n}-{part}", "") for part in ("name", "approvers", "rule", "n")))


def moved(draft: Draft, what: str) -> tuple[Draft, int] | None:
    """The draft with its steps as a button wants them, and the step to look at next; None where no such button is."""
    found = _MOVE.fullmatch(what)
    if found is None:
        return None
    steps, action, at = list(draft.steps), found[1], int(found[2] or 0)
    to = at + {"up": -1, "down": 1}.get(action, 0)
    if action == "add" and len(steps) < MOST_STEPS:
        steps.append(StepDraft())
        to = len(steps) - 1
    elif action == "remove" and at < len(steps) > 1:
        del steps[at]
        to = max(at - 1, 0)
    elif action in {"up", "down"} and at < len(steps) and 0 <= to < len(steps):
        steps[at], steps[to] = steps[to], steps[at]
    else:
        to = min(at, len(steps) - 1)
    return replace(draft, steps=tuple(steps)), to


def judged(draft: Draft) -> Definition | Mistakes:
    """The definition that is typed there, or what is wrong with it."""
    try:
        return Definition.model_validate({
            "name": draft.name.strip(), "owners": _lines(draft.owners), "on_edit": draft.on_edit, "four_eyes": draft.four_eyes,
            "steps": [_typed(step) for step in draft.steps],
        })
    except ValidationError as error:
        found: Mistakes = {}
        for one in error.errors(include_url=False):
            if one["type"] == "too_short" and one["input"]:
                continue  # there are some, and what is wrong with them is said of each
            found.setdefault(_field(one["loc"], one["msg"]), []).append(words.mistake(one))
        return found


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _typed(step: StepDraft) -> dict[str, Any]:
    rule = {"kind": step.rule} | ({"n": step.n.strip()} if step.rule == "quorum" else {})
    return {"name": step.name.strip(), "approvers": [_approver(line) for line in _lines(step.approvers)], "rule": rule}


def _approver(line: str) -> dict[str, str]:
    kind, colon, name = line.partition(":")
    return {"kind": kind, "id": name.strip()} if colon and kind in {"group", "account"} else {"kind": "account", "id": line}


def _field(where: tuple[int | str, ...], message: str) -> str:
    """The field of the form that a place in a definition is typed in."""
    if where[0] != "steps" or len(where) == 1:
        return str(where[0])
    part = str(where[2]) if len(where) > 2 else "rule" if "quorum" in message else "approvers"
    if part == "rule" and (where[-1] == "n" or len(where) == 2):
        part = "n"
    return f"step-{where[1]}-{part}"
