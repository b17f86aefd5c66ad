"""What operators see, across all sites: identifiers, times and reasons only."""

from datetime import datetime

from services.console.domain.state import Held, Last, Quarantine
from shared.postgres import Reading

_RECORDED = "SELECT coalesce(sum(position), 0)::bigint FROM audit.head"


async def recorded(db: Reading) -> int:
    """How many audit entries there have ever been."""
    return int(await db.fetchval(_RECORDED))


# The last entries of each chain are found by position; which of them are the last of all, only then.
_LAST = """
SELECT e.recorded_at, e.event_type, e.body::json #>> '{data,reason}' AS reason, e.site_id, e.space_id, e.page_id,
    e.workflow_id
FROM audit.head h CROSS JOIN LATERAL (
    SELECT * FROM audit.entry e WHERE e.partition = h.partition AND e.position > h.position - $1
    ORDER BY e.position DESC LIMIT $1
) e
ORDER BY e.recorded_at DESC LIMIT $1
"""


async def last(db: Reading, limit: int) -> list[Last]:
    """The last outcomes recorded, newest first."""
    return [Last(**row) for row in await db.fetch(_LAST, limit)]


_HELD = """
WITH by_key AS (
    SELECT 'decision' AS service, key, count(*) AS count, min(held_at) AS since,
        (array_agg(reason ORDER BY id))[1] AS reason, (array_agg(detail ORDER BY id))[1] AS detail
    FROM approvals.quarantine WHERE NOT set_aside GROUP BY key
    UNION ALL
    SELECT 'audit-fanout', key, count(*), min(held_at),
        (array_agg(reason ORDER BY partition, log_offset))[1], (array_agg(detail ORDER BY partition, log_offset))[1]
    FROM audit.quarantine WHERE released_at IS NULL GROUP BY key
)
SELECT *, (sum(count) OVER ())::bigint AS total FROM by_key ORDER BY since LIMIT $1
"""


async def held(db: Reading, limit: int) -> Quarantine:
    """What waits in quarantine by key, longest first."""
    rows = await db.fetch(_HELD, limit)
    keys = [Held(*(row[name] for name in Held.__slots__)) for row in rows]
    return Quarantine(rows[0]["total"] if rows else 0, keys)


_QUARANTINE = """
SELECT 'decision' AS service, count(*) AS records, coalesce(extract(epoch FROM now() - min(held_at)), 0)::float AS age
FROM approvals.quarantine WHERE NOT set_aside
UNION ALL
SELECT 'audit-fanout', count(*), coalesce(extract(epoch FROM now() - min(held_at)), 0)::float
FROM audit.quarantine WHERE released_at IS NULL
"""


async def quarantine(db: Reading) -> list[tuple[str, int, float]]:
    """For each service that has one, how many records are in quarantine, and for how many seconds the oldest has been."""
    return [tuple(row) for row in await db.fetch(_QUARANTINE)]


_SITES = """
SELECT CASE licence_active WHEN true THEN 'active' WHEN false THEN 'inactive' ELSE 'unknown' END, count(*)
FROM directory.site GROUP BY 1
"""


async def sites(db: Reading) -> dict[str, int]:
    """How many sites there are for each state of the licence."""
    found = dict.fromkeys(("active", "inactive", "unknown"), 0)
    for state, count in await db.fetch(_SITES):
        found[state] = count
    return found


_FACTS = """
SELECT 'groups' AS kind, count(*) FILTER (WHERE read_at >= $1) AS fresh, count(*) FILTER (WHERE read_at < $1) AS stale
FROM directory.member_group
UNION ALL
SELECT 'admins', count(*) FILTER (WHERE admins_read_at >= $1), count(*) FILTER (WHERE admins_read_at < $1)
FROM directory.space WHERE removed_at IS NULL
"""


async def facts(db: Reading, oldest: datetime) -> list[tuple[str, int, int]]:
    """For each kind of directory fact, how many were read since ``oldest``, and how many before."""
    return [tuple(row) for row in await db.fetch(_FACTS, oldest)]
