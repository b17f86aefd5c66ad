"""A workflow's definition: ordered steps, each with approvers and a rule."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.contracts.base import AccountId, Command, Name, ObjectId


class AccountApprover(Command):
    """One person."""

    kind: Literal["account"] = "account"
    id: AccountId


class GroupApprover(Command):
    """A group, which speaks through any one of its members."""

    kind: Literal["group"] = "group"
    id: ObjectId


Approver = Annotated[AccountApprover | GroupApprover, Field(discriminator="kind")]


class All(Command):
    """Every approver listed has approved; a group has when one of its members has."""

    kind: Literal["all"] = "all"


class Any(Command):
    """One approval is enough."""

    kind: Literal["any"] = "any"


class Quorum(Command):
    """``n`` different people have approved."""

    kind: Literal["quorum"] = "quorum"
    n: int = Field(ge=1, le=1000)


Rule = Annotated[All | Any | Quorum, Field(discriminator="kind")]


class Step(Command):
    """Who may decide, and when they are enough."""

    name: Name
    approvers: tuple[Approver, ...] = Field(min_length=1, max_length=1000)
    rule: Rule

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        seen = {(a.kind, a.id) for a in self.approvers}
        if len(seen) != len(self.approvers):
            raise ValueError("an approver is listed twice")
        if isinstance(self.rule, Quorum) and all(a.kind == "account" for a in self.approvers) and self.rule.n > len(seen):
            raise ValueError("the quorum is larger than the number of approvers")
        return self

    @cached_property
    def account_seats(self) -> Mapping[str, int]:
        """The seat of each person named, as its bit, so that finding one costs the same among a thousand."""
        return {a.id: 1 << position for position, a in enumerate(self.approvers) if a.kind == "account"}

    @cached_property
    def group_seats(self) -> Mapping[str, int]:
        """The seat of each group named, as its bit."""
        return {a.id: 1 << position for position, a in enumerate(self.approvers) if a.kind == "group"}


class OnEdit(StrEnum):
    """What a page edit does to an open approval."""

    RESET = "reset"
    KEEP = "keep"
    CANCEL = "cancel"


class Definition(Command):
    """What a version of a workflow says. Approvals keep to the version they began with."""

    name: Name
    owners: tuple[AccountId, ...] = Field(default=(), max_length=100)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=50)
    on_edit: OnEdit = OnEdit.RESET
    four_eyes: bool = True
