"""What deciding one command gives."""

import hashlib
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from services.rules.state import Approval
from shared.contracts.commands import Comment, SiteCommand, Verdict
from shared.contracts.events import Event

S = TypeVar("S")


class Vote(NamedTuple):
    """One person's verdict on one step, which no one may cast twice."""

    run: int
    round: int
    step: int
    voter_id: str
    verdict: Verdict


class Decided(NamedTuple, Generic[S]):
    """The state after one command, and the one event that says so. A refusal leaves the state as it was."""

    state: S
    event: Event
    vote: Vote | None = None
    comment: Comment | None = None
    replaced: Approval | None = None
    follow_ups: tuple[SiteCommand, ...] = ()


class Cause(NamedTuple):
    """The record being decided: its id, and who stands behind it."""

    id: UUID
    account_id: str | None


def comment_digest(comment: Comment) -> str:
    """What the audit log keeps of a person's words; without the salt nobody can check a guess against it."""
    return hashlib.sha256(bytes.fromhex(comment.salt) + comment.text.encode()).hexdigest()
