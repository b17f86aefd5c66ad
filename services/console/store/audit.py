"""Audit entries by each index, and who may read them."""

from dataclasses import dataclass
from datetime import datetime

import orjson

from services.console.answers import Entry
from services.console.cursors import Place
from services.console.domain.listing import Index, Order
from shared.postgres import Reading


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


async def entries(db: Reading, asked: Asked, after: Place | None, limit: int) -> list[Entry]:
    """The entries asked for, in order, from behind ``after`` on."""
    named = () if asked.id is None else (asked.id,)
    statement = _ENTRIES[asked.index, asked.order]
    rows = await db.fetch(statement, asked.site_id, asked.since, asked.until, *(after or (None, None)), limit, *named)
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


async def may_read(db: Reading, asked: Asked, account_id: str, oldest: datetime) -> bool:
    """Does this person administer the space, or own the workflow, by facts read since ``oldest``? Is it about them?"""
    if asked.index is Index.ACTORS:
        return asked.id == account_id
    statement = _MAY_READ.get(asked.index)
    return statement is not None and await db.fetchrow(statement, asked.site_id, asked.id, account_id, oldest) is not None
