"""What verification and export read: everything, in order, a bounded number of rows at a time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from services.audit_fanout.domain import Entry, Head, Linked
from services.audit_fanout.store.entries import Checkpoint, Connection
from shared.chain import Removed

_ROWS = 2000

_PARTITIONS = """
    SELECT partition FROM audit.head UNION SELECT partition FROM audit.removed UNION
    SELECT DISTINCT partition FROM audit.entry ORDER BY partition
"""


async def partitions(db: Connection) -> list[int]:
    """Every chain there is a trace of."""
    return [row["partition"] for row in await db.fetch(_PARTITIONS)]


_HEAD = "SELECT partition, position, hash FROM audit.head WHERE partition = $1"


async def head(db: Connection, partition: int) -> Head:
    """Where a chain is said to end."""
    row = await db.fetchrow(_HEAD, partition)
    return Head(partition) if row is None else Head(**dict(row))


_CHAIN = """
    SELECT partition, position, hash, event_id, event_type, site_id, page_id, space_id, workflow_id, actor_id, occurred_at, body
      FROM audit.entry WHERE partition = $1 ORDER BY position, occurred_at
"""


async def entries(db: Connection, partition: int) -> AsyncIterator[Linked]:
    """A chain as stored; within a transaction."""
    async for row in db.cursor(_CHAIN, partition, prefetch=_ROWS):
        yield _linked(row)


def _linked(row: asyncpg.Record) -> Linked:
    fields = {name: row[name] for name in Entry._fields}
    return Linked(Entry(**fields), row["partition"], row["position"], row["hash"])


@dataclass(frozen=True, slots=True)
class Gone:
    """A removal, and the run that made it."""

    removed: Removed
    run_id: UUID


_REMOVED = """
    SELECT partition, first_position, last_position, digest, hash, run_id FROM audit.removed
     WHERE $1::int IS NULL OR partition = $1 ORDER BY partition, first_position
"""


async def removed(db: Connection, partition: int | None = None) -> list[Gone]:
    """What retention took out of a chain, or of all."""
    return [
        Gone(Removed(r["partition"], r["first_position"], r["last_position"], r["digest"], r["hash"]), r["run_id"])
        for r in await db.fetch(_REMOVED, partition)
    ]


_UNDER_WAY = """
    SELECT run_id FROM retention.run
     WHERE kind = 'audit' AND (recorded_at IS NULL OR recorded_at > now() - interval '10 minutes')
"""


async def under_way(db: Connection) -> set[UUID]:
    """Retention runs whose own entry may not be there yet."""
    return {row["run_id"] for row in await db.fetch(_UNDER_WAY)}


_CHECKPOINTS = "SELECT number, body, hash FROM audit.checkpoint ORDER BY number"


async def checkpoints(db: Connection) -> list[Checkpoint]:
    """All of them, in order."""
    return [Checkpoint(**dict(row)) for row in await db.fetch(_CHECKPOINTS)]


_COUNT = "SELECT count(*) FROM audit.entry"


async def count(db: Connection) -> int:
    """How many entries there are."""
    return int(await db.fetchval(_COUNT))


_OF_SITE = """
    SELECT partition, position, hash, event_id, event_type, site_id, page_id, space_id, workflow_id, actor_id, occurred_at, body
      FROM audit.entry
     WHERE site_id = $1 AND occurred_at >= $2 AND occurred_at < $3 AND ($4::text IS NULL OR page_id = $4)
     ORDER BY occurred_at, event_id
"""


async def of_site(db: Connection, site_id: str, start: datetime, end: datetime, page_id: str | None) -> AsyncIterator[Linked]:
    """One site's entries from ``start`` until before ``end``, in order of time; within a transaction."""
    async for row in db.cursor(_OF_SITE, site_id, start, end, page_id, prefetch=_ROWS):
        yield _linked(row)
