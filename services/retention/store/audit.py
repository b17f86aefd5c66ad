"""Audit entries: each removal is accounted for where the chain has its gap, by rows or by whole months."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import asyncpg

from services.retention.domain import Entry, Kind, Run, ranges
from services.retention.store.records import SOURCES
from services.retention.store.rules import Connection
from shared.chain import Removed, account
from shared.contracts.events import RetentionRecorded
from shared.contracts.topics import TYPE_OF

_ENTRIES = SOURCES[Kind.AUDIT]
_RECORD = TYPE_OF[RetentionRecorded].type
_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Month:
    """One partition of ``audit.entry``: from ``start`` until before ``end``."""

    start: datetime
    end: datetime


_REMOVE = _ENTRIES.remove()


async def remove(db: Connection, run: Run, before: datetime, rows: int) -> Run:
    """Remove at most ``rows`` entries that are due, oldest first, and account for them; the run with them gone."""
    return await _account_for(db, run, await db.fetch(_REMOVE, run.site_id, before, rows))


_ACCOUNT_FOR = """
    INSERT INTO audit.removed (run_id, partition, first_position, last_position, digest, hash)
    SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
"""


# An earlier run is audited under its own id. Once that entry goes, this run answers for what that one took.
_TAKE_OVER = "UPDATE audit.removed SET run_id = $1 WHERE run_id = ANY ($2::uuid[])"


async def _account_for(db: Connection, run: Run, gone: Sequence[asyncpg.Record]) -> Run:
    """The run with these entries gone."""
    taken = ranges(Entry(r["partition"], r["position"], r["hash"]) for r in gone)
    await db.execute(
        _ACCOUNT_FOR, run.run_id, [r.partition for r in taken], [r.first_position for r in taken],
        [r.last_position for r in taken], [r.digest for r in taken], [r.hash for r in taken],
    )
    if records := [r["event_id"] for r in gone if r["event_type"] == _RECORD]:
        await db.execute(_TAKE_OVER, run.run_id, records)
    return replace(run, removed=run.removed + len(gone))


_MONTHS = """
    SELECT start AT TIME ZONE 'UTC' AS start, (start + interval '1 month') AT TIME ZONE 'UTC' AS end
      FROM (SELECT to_date(right(c.relname, 7), 'YYYY_MM')::timestamp AS start
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'audit.entry'::regclass) AS month
     WHERE (start + interval '1 month') AT TIME ZONE 'UTC' <= $1 ORDER BY start
"""


async def months(db: Connection, before: datetime) -> list[Month]:
    """The months that ended before, oldest first."""
    return [Month(row["start"], row["end"]) for row in await db.fetch(_MONTHS, before)]


_WHOLE = f"""
    SELECT NOT EXISTS (
        SELECT FROM audit.entry t WHERE t.occurred_at >= $2 AND t.occurred_at < $3 AND NOT (
            t.site_id = $1 AND {_ENTRIES.free}
            AND NOT EXISTS (SELECT FROM retention.hold h WHERE h.site_id = t.site_id AND {_ENTRIES.held}))
    )
"""


async def whole(db: Connection, site_id: str, month: Month) -> bool:
    """Whether all that a month holds is this site's and held by nobody; so it is if it holds nothing."""
    return bool(await db.fetchval(_WHOLE, site_id, month.start, month.end))


_OF_MONTH = """
    SELECT partition, position, hash, event_id, event_type FROM audit.entry
     WHERE occurred_at >= $1 AND occurred_at < $2 AND (partition, position) > ($3, $4)
     ORDER BY partition, position LIMIT $5
"""
_DROP = "SELECT audit.drop_month($1)"


async def drop(db: Connection, run: Run, month: Month) -> Run:
    """Account for all that a month holds, and drop it; the run with its entries gone.

    :raises asyncpg.RaiseError: it holds more by now.
    """
    at = (-1, 0)
    while gone := await db.fetch(_OF_MONTH, month.start, month.end, *at, _CHUNK):
        run = await _account_for(db, run, gone)
        at = gone[-1]["partition"], gone[-1]["position"]
    await db.execute(_DROP, month.start)
    return run


_REMOVED = "SELECT partition, first_position, last_position, digest, hash FROM audit.removed WHERE run_id = $1"


async def digest(db: Connection, run: Run) -> bytes:
    """What stands for all that a run took out of the chains, and for what it answers in place of earlier runs."""
    return bytes.fromhex(account(Removed(**dict(row)) for row in await db.fetch(_REMOVED, run.run_id)))
