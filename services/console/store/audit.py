"""Audit entries by each index, and who may read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import orjson

from services.console.answers import Entry
from services.console.cursors import Place
from services.console.domain.links import Link
from services.console.domain.listing import Index, Order


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries of a site: by ``index`` those of ``id`` (None: all), from ``since`` on and before ``until``."""

    site_id: str
    index: Index
    id: str | None
    order: Order
    since: datetime | None
    until: datetime | None


_COLUMN = {Index.PAGES: "page_id", Index.SPACES: "space_id", Index.WORKFLOWS: "workflow_id", Index.ACTORS: "actor_id"}
_DIRECTION = {Order.NEWEST: ("<", "DESC", "infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
              Order.OLDEST: (">", "ASC", "-infinity", "00000000-0000-0000-0000-000000000000")}


def _entries(index: Index, order: Order) -> str:
    beyond, direction, first, first_id = _DIRECTION[order]
    return f"""
SELECT event_id, event_type, occurred_at, partition, position, hash, body FROM audit.entry
WHERE site_id = $1 {f"AND {_COLUMN[index]} = $7" if index in _COLUMN else ""}
    AND occurred_at >= coalesce($2, '-infinity'::timestamptz) AND occurred_at < coalesce($3, 'infinity'::timestamptz)
    AND (occurred_at, event_id) {beyond} (coalesce($4, '{first}'::timestamptz), coalesce($5, '{first_id}'::uuid))
ORDER BY occurred_at {direction}, event_id {direction} LIMIT $6
"""


_ENTRIES = {(index, order): _entries(index, order) for index in Index for order in Order}


async def entries(pool: asyncpg.Pool, asked: Asked, after: Place | None, limit: int) -> list[Entry]:
    """The entries asked for, in order, from behind ``after`` on."""
    named = () if asked.id is None else (asked.id,)
    statement = _ENTRIES[asked.index, asked.order]
    rows = await pool.fetch(statement, asked.site_id, asked.since, asked.until, *(after or (None, None)), limit, *named)
    return [Entry.model_validate({**row, "hash": row["hash"].hex(), "body": orjson.loads(row["body"])}) for row in rows]


_MAY_READ = {
    Index.SPACES: """
SELECT FROM directory.space WHERE site_id = $1 AND space_id = $2 AND $3 = ANY (admins) AND admins_read_at >= $4
""",
    Index.PAGES: """
SELECT FROM approvals.page p JOIN directory.space s USING (site_id, space_id)
WHERE site_id = $1 AND p.page_id = $2 AND $3 = ANY (s.admins) AND s.admins_read_at >= $4
""",
    Index.WORKFLOWS: """
SELECT FROM approvals.workflow WHERE site_id = $1 AND workflow_id = $2 AND $3 = ANY (owners)
    AND (owners_read_at IS NULL OR owners_read_at >= $4)
""",
}


async def may_read(pool: asyncpg.Pool, asked: Asked, account_id: str, oldest: datetime) -> bool:
    """Does this person administer the space, or own the workflow, by facts read since ``oldest``? Is it about them?"""
    if asked.index is Index.ACTORS:
        return asked.id == account_id
    statement = _MAY_READ.get(asked.index)
    return statement is not None and await pool.fetchrow(statement, asked.site_id, asked.id, account_id, oldest) is not None


_HEADS = "SELECT partition, position FROM audit.head ORDER BY partition"


async def heads(pool: asyncpg.Pool) -> dict[int, int]:
    """How many entries each chain has ever had."""
    return {row["partition"]: row["position"] for row in await pool.fetch(_HEADS)}


# What an entry is linked to: the one before it, or where retention took that out, what stands for it.
_LINKS = """
SELECT a.partition, a.position, e.hash, e.body, coalesce(b.hash, CASE WHEN g.last_position = a.position - 1 THEN g.hash END) AS before,
    coalesce(t.last_position >= a.position, false) AS removed
FROM unnest($1::int[], $2::bigint[]) AS a (partition, position)
LEFT JOIN audit.entry e ON e.partition = a.partition AND e.position = a.position
LEFT JOIN audit.entry b ON b.partition = a.partition AND b.position = a.position - 1
LEFT JOIN LATERAL (
    SELECT last_position, hash FROM audit.removed r WHERE r.partition = a.partition AND r.first_position < a.position
    ORDER BY r.first_position DESC LIMIT 1
) g ON true
LEFT JOIN LATERAL (
    SELECT last_position FROM audit.removed r WHERE r.partition = a.partition AND r.first_position <= a.position
    ORDER BY r.first_position DESC LIMIT 1
) t ON true
ORDER BY a.partition, a.position
"""


async def links(pool: asyncpg.Pool, places: Sequence[tuple[int, int]]) -> list[Link]:
    """What stands at each of these places, by partition and position, and what it is to be linked to."""
    partitions, positions = [place[0] for place in places], [place[1] for place in places]
    return [Link(**row) for row in await pool.fetch(_LINKS, partitions, positions)]
