"""Recompute the whole audit log and name the first row that is wrong.

What is found: an entry that was changed, removed or put in, in the middle or at an end; a removal by retention that no
entry accounts for; a checkpoint that no longer fits. It reads as of one moment, so it can run while entries are added.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from services.audit_fanout.domain import Head, Linked, ends_of, parsed
from services.audit_fanout.store import proof
from services.audit_fanout.store.entries import Checkpoint, Connection
from services.audit_fanout.store.proof import Gone
from shared import chain
from shared.contracts.events import RetentionRecorded
from shared.contracts.topics import TYPE_OF

_ACCOUNT = TYPE_OF[RetentionRecorded].type
_STEP = 1000


@dataclass(frozen=True, slots=True)
class Wrong:
    """The first thing that is not as it was written; ``position`` 0 where it is about no entry."""

    partition: int
    position: int
    what: str

    def __str__(self) -> str:
        """Where, and what."""
        where = f"partition {self.partition}, position {self.position}: " if self.position else ""
        return where + self.what


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many entries are as they were written, and what is not."""

    verified: int
    wrong: Wrong | None


@dataclass(slots=True)
class _Pass:
    """What one pass over the chains collects: hashes that checkpoints name, and what retention accounts for."""

    named: dict[tuple[int, int], bytes]
    accounts: defaultdict[UUID, set[str]] = field(default_factory=lambda: defaultdict(set))
    verified: int = 0


async def verify(db: Connection, notice: Callable[[int], None] = lambda _: None) -> Verdict:
    """Check everything; ``notice`` hears now and then how many entries have been."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        checkpoints = await proof.checkpoints(db)
        seen = _Pass({(h.partition, h.position): h.hash for c in checkpoints for h in _ends(c)})
        wrong = next(_checkpoints(checkpoints), None)
        chains = {*await proof.partitions(db), *(partition for partition, _ in seen.named)}
        for partition in sorted(chains):
            wrong = wrong or await _chain(db, partition, seen, notice)
        if wrong is None:
            wrong = _accounts(await proof.removed(db), seen.accounts, await proof.under_way(db))
    notice(seen.verified)
    return Verdict(seen.verified, wrong)


async def _chain(db: Connection, partition: int, seen: _Pass, notice: Callable[[int], None]) -> Wrong | None:
    gaps, at = deque(await proof.removed(db, partition)), Head(partition)
    async for one in proof.entries(db, partition):
        at = _over(at, gaps)
        if wrong := _named(at, seen) or _entry(at, one):
            return wrong
        at = Head(partition, one.position, one.hash)
        if one.entry.event_type == _ACCOUNT:
            data = orjson.loads(one.entry.body)["data"]
            seen.accounts[UUID(data["run_id"])].add(data["digest"])
        seen.verified += 1
        if seen.verified % _STEP == 0:
            notice(seen.verified)
    at = _over(at, gaps)
    return _named(at, seen) or _end(at, await proof.head(db, partition), gaps, seen)


def _over(at: Head, gaps: deque[Gone]) -> Head:
    """Go on past what retention took out from here."""
    while gaps and gaps[0].removed.first_position == at.position + 1:
        taken = gaps.popleft().removed
        at = Head(taken.partition, taken.last_position, taken.hash)
    return at


def _entry(before: Head, one: Linked) -> Wrong | None:
    """Is this the entry that follows?"""
    expected = before.position + 1
    if one.position > expected:
        return Wrong(before.partition, expected, "the entry is missing")
    if one.position < expected:
        return Wrong(before.partition, one.position, "there is an entry too many at this position")
    if chain.link(before.hash, before.partition, expected, one.entry.body) != one.hash:
        return Wrong(before.partition, expected, "the entry is not the one that was written here")
    try:
        same = parsed(one.entry.body) == one.entry
    except (ValueError, TypeError, KeyError):
        same = False
    return None if same else Wrong(before.partition, expected, "the entry is indexed as something that it does not say")


def _named(at: Head, seen: _Pass) -> Wrong | None:
    """A checkpoint names the hash at some positions; each must be the one found there."""
    named = seen.named.pop((at.partition, at.position), at.hash)
    return None if named == at.hash else Wrong(at.partition, at.position, "the entry is not the one a checkpoint names")


def _end(at: Head, head: Head, gaps: deque[Gone], seen: _Pass) -> Wrong | None:
    if gaps:
        return Wrong(at.partition, gaps[0].removed.first_position, "a removal does not fit into the chain")
    if at.position < head.position:
        return Wrong(at.partition, at.position + 1, "the entry is missing")
    if at.position > head.position:
        return Wrong(at.partition, head.position + 1, "the entry lies beyond the end of the chain")
    if any(partition == at.partition and position > at.position for partition, position in seen.named):
        return Wrong(at.partition, at.position + 1, "the entry is missing: a checkpoint names a later one")
    return None if at.hash == head.hash else Wrong(at.partition, at.position, "the chain does not end as its head says")


def _ends(checkpoint: Checkpoint) -> list[Head]:
    try:
        return ends_of(checkpoint.body)
    except ValueError:
        return []


def _checkpoints(checkpoints: Iterable[Checkpoint]) -> Iterator[Wrong]:
    previous = chain.GENESIS
    for expected, checkpoint in enumerate(checkpoints, 1):
        if checkpoint.number != expected:
            yield Wrong(0, 0, f"checkpoint {expected} is missing")
        if chain.follow(previous, checkpoint.body) != checkpoint.hash or not _ends(checkpoint):
            yield Wrong(0, 0, f"checkpoint {checkpoint.number} is not the one that was written")
        previous = checkpoint.hash


def _accounts(gone: Iterable[Gone], accounts: Mapping[UUID, set[str]], under_way: set[UUID]) -> Wrong | None:
    """Every removal belongs to a retention run whose own entry says exactly what it took."""
    runs: dict[UUID, list[Gone]] = {}
    for one in gone:
        runs.setdefault(one.run_id, []).append(one)
    for run_id, taken in runs.items():
        if run_id in under_way and run_id not in accounts:
            continue
        if accounts.get(run_id) != {chain.account(one.removed for one in taken)}:
            first = taken[0].removed
            return Wrong(first.partition, first.first_position, f"no entry accounts for this removal by run {run_id}")
    return None
