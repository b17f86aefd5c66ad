"""Sites as operators see them. Every count stops at a bound, so that a large site costs no more than a small one."""

from dataclasses import dataclass
from datetime import datetime

from shared.postgres import Reading


@dataclass(frozen=True, slots=True)
class Site:
    """What is known of a site. ``groups`` and ``spaces`` are facts: how many there are, and how many are too old to allow anything."""

    site_id: str
    licence_active: bool | None
    licence_read_at: datetime | None
    installed: bool
    pages: int
    open: int
    groups: int
    groups_stale: int
    spaces: int
    spaces_stale: int
    held: int


_SITES = """
WITH named AS (
    SELECT site_id FROM directory.site WHERE site_id >= $1 AND starts_with(site_id, $1) AND site_id > $2
    UNION SELECT $1 WHERE $1 > $2 AND (SELECT min(page_id) FROM approvals.page WHERE site_id = $1) IS NOT NULL
    ORDER BY site_id LIMIT $3
), held AS (
    SELECT split_part(key, ':', 1) AS site_id, count(*) AS held
    FROM (SELECT key FROM approvals.quarantine WHERE NOT set_aside LIMIT $4) q GROUP BY 1
)
SELECT n.site_id, s.licence_active, s.licence_read_at, coalesce(s.installed, true) AS installed,
    (SELECT count(*) FROM (SELECT FROM approvals.page p WHERE p.site_id = n.site_id LIMIT $4) a) AS pages,
    (SELECT count(*) FROM (SELECT FROM approvals.page p WHERE p.site_id = n.site_id AND p.status = 'open' LIMIT $4) a) AS open,
    g.count AS groups, g.stale AS groups_stale, d.count AS spaces, d.stale AS spaces_stale, coalesce(h.held, 0) AS held
FROM named n LEFT JOIN directory.site s USING (site_id) LEFT JOIN held h USING (site_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS count, count(*) FILTER (WHERE read_at < $5) AS stale
    FROM (SELECT read_at FROM directory.member_group m WHERE m.site_id = n.site_id LIMIT $4) a
) g
CROSS JOIN LATERAL (
    SELECT count(*) AS count, count(*) FILTER (WHERE admins_read_at < $5) AS stale
    FROM (SELECT admins_read_at FROM directory.space m WHERE m.site_id = n.site_id AND m.removed_at IS NULL LIMIT $4) a
) d
ORDER BY n.site_id
"""


async def sites(db: Reading, beginning: str, after: str, limit: int, most: int, oldest: datetime) -> list[Site]:
    """Sites whose id begins so, behind ``after``, by id; no count goes beyond ``most``, facts read before ``oldest`` are stale.

    A site that nobody told of anything but pages is found by its whole id.
    """
    return [Site(**row) for row in await db.fetch(_SITES, beginning, after, limit, most, oldest)]
