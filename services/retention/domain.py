"""Pure: what may go, and what stands for it once it has."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from shared.chain import Removed, removed_digest
from shared.contracts.base import SYSTEM
from shared.contracts.commands import RecordRetention


class Kind(StrEnum):
    """What a policy is about."""

    APPROVALS = "approvals"
    """Approvals that a later one replaced."""
    AUDIT = "audit"
    COMMENTS = "comments"
    IDEMPOTENCY_KEYS = "idempotency_keys"
    OUTCOMES = "outcomes"


@dataclass(frozen=True, slots=True)
class Policy:
    """A site's records of one kind are kept for this many days."""

    site_id: str
    kind: Kind
    keep_days: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A page, or with an empty ``page_id`` a whole site, of which nothing goes; beats every policy."""

    site_id: str
    page_id: str
    reason: str
    placed_by: str
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """How many records one policy lets go, and how many more it would but for a hold: by page, ``""`` the whole site."""

    site_id: str
    kind: Kind
    before: datetime
    going: int
    held: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """The removal of one site's records of one kind; goes on after a crash. Once finished it removes nothing more."""

    run_id: UUID
    site_id: str
    kind: Kind
    before: datetime
    removed: int = 0
    digest: bytes = b""
    finished_at: datetime | None = None


class Entry(NamedTuple):
    """What of an audit entry is needed to account for it."""

    partition: int
    position: int
    hash: bytes


def before(keep_days: int, at: datetime) -> datetime:
    """At this moment, what is older than the result may go."""
    return at - timedelta(days=keep_days)


def limit(run: Run, keep_days: int | None, at: datetime) -> datetime | None:
    """What is older than the result may go now: a policy that keeps more than when the run began counts at once.

    None: there is no policy any more.
    """
    return None if keep_days is None else min(run.before, before(keep_days, at))


def without(run: Run, names: Sequence[str]) -> Run:
    """The run with these records gone too; its digest covers all of them, batch by batch."""
    if not names:
        return run
    digest = hashlib.sha256(run.digest + "\n".join(sorted(names)).encode()).digest()
    return replace(run, removed=run.removed + len(names), digest=digest)


def ranges(entries: Iterable[Entry]) -> list[Removed]:
    """Account for entries: neighbours in a chain together."""
    ordered = sorted(entries, key=lambda e: (e.partition, e.position))
    result = []
    for _, run in groupby(enumerate(ordered), key=lambda pair: (pair[1].partition, pair[1].position - pair[0])):
        gone = [entry for _, entry in run]
        first, last = gone[0], gone[-1]
        result.append(Removed(first.partition, first.position, last.position, removed_digest(e.hash for e in gone), last.hash))
    return result


def record(run: Run) -> RecordRetention:
    """What the audit log is told of a finished run."""
    return RecordRetention(
        site_id=run.site_id, caller=SYSTEM, run_id=str(run.run_id), kind=run.kind, removed=run.removed,
        digest=run.digest.hex(), before=run.before,
    )
