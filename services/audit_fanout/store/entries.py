"""Entries, the ends of their chains, and checkpoints over those."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.audit_fanout.domain import Entry, Head, Linked

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

_HEADS = "SELECT partition, position, hash FROM audit.head WHERE partition = ANY ($1::int[])"


async def heads(db: Connection, partitions: Iterable[int]) -> dict[int, Head]:
    """The ends of these chains; a chain without entries has one too."""
    wanted = sorted(set(partitions))
    found = {row["partition"]: Head(**dict(row)) for row in await db.fetch(_HEADS, wanted)}
    return {partition: found.get(partition, Head(partition)) for partition in wanted}


_PRESENT = """
    SELECT e.event_id FROM unnest($1::uuid[], $2::timestamptz[]) AS k (event_id, occurred_at)
      JOIN audit.entry e USING (event_id, occurred_at)
"""


async def present(db: Connection, entries: Sequence[Entry]) -> set[UUID]:
    """Which of these events have their entry."""
    rows = await db.fetch(_PRESENT, [e.event_id for e in entries], [e.occurred_at for e in entries])
    return {row["event_id"] for row in rows}


_ENSURE_MONTH = "SELECT audit.ensure_month(m) FROM unnest($1::timestamptz[]) AS m"


async def ensure_months(db: Connection, moments: Sequence[datetime]) -> None:
    """Make room for entries of these months."""
    await db.execute(_ENSURE_MONTH, moments)


# A chain whose end has moved since it was read drops out of ``moved``, and its entries with it.
_APPEND = """
    WITH g AS MATERIALIZED (
        SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bytea[]) AS t (partition, read, position, hash)
    ), moved AS (
        INSERT INTO audit.head AS h (partition, position, hash) SELECT partition, position, hash FROM g ORDER BY partition
        ON CONFLICT (partition) DO UPDATE SET position = excluded.position, hash = excluded.hash
            WHERE h.position = (SELECT g.read FROM g WHERE g.partition = excluded.partition)
        RETURNING h.partition
    ), added AS (
        INSERT INTO audit.entry (partition, position, hash, event_id, event_type, site_id, page_id, space_id, workflow_id,
            actor_id, occurred_at, body)
        SELECT e.* FROM unnest($5::int[], $6::bigint[], $7::bytea[], $8::uuid[], $9::text[], $10::text[], $11::text[],
            $12::text[], $13::text[], $14::text[], $15::timestamptz[], $16::text[]) AS e (partition, position, hash, event_id,
            event_type, site_id, page_id, space_id, workflow_id, actor_id, occurred_at, body)
          JOIN moved USING (partition)
    )
    SELECT partition FROM moved
"""


async def append(db: Connection, read: Mapping[int, Head], linked: Sequence[Linked]) -> bool:
    """Add entries to chains that still end where they were read; False, if one does not.

    :raises asyncpg.UniqueViolationError: another writer was first with one of these events.
    """
    ends = {one.partition: one for one in linked}
    landed = await db.fetch(
        _APPEND, list(ends), [read[p].position for p in ends], [e.position for e in ends.values()],
        [e.hash for e in ends.values()], *_columns(linked),
    )
    return len(landed) == len(ends)


def _columns(linked: Sequence[Linked]) -> list[list[Any]]:
    rows = [
        (one.partition, one.position, one.hash, e.event_id, e.event_type, e.site_id, e.page_id, e.space_id, e.workflow_id,
         e.actor_id, e.occurred_at, e.body)
        for one in linked if (e := one.entry)
    ]
    return [list(column) for column in zip(*rows, strict=True)]


_ALL_HEADS = "SELECT partition, position, hash FROM audit.head ORDER BY partition"
_LAST_CHECKPOINT = "SELECT number, body, hash FROM audit.checkpoint ORDER BY number DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The ends of all chains at one moment, as kept."""

    number: int
    body: str
    hash: bytes


async def ends(db: Connection) -> tuple[list[Head], Checkpoint | None]:
    """The end of each chain, and the checkpoint last taken."""
    rows = await db.fetch(_ALL_HEADS)
    last = await db.fetchrow(_LAST_CHECKPOINT)
    return [Head(**dict(row)) for row in rows], None if last is None else Checkpoint(**dict(last))


_ADD_CHECKPOINT = "INSERT INTO audit.checkpoint (number, body, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"


async def add_checkpoint(db: Connection, checkpoint: Checkpoint) -> bool:
    """Keep a checkpoint; False, if another process took that one."""
    done: str = await db.execute(_ADD_CHECKPOINT, checkpoint.number, checkpoint.body, checkpoint.hash)
    return done.endswith(" 1")
