"""What has happened to a page, and the words that went with it."""

from datetime import datetime

import orjson

from services.console.domain.approvals import Happening
from shared.postgres import Reading

# Every applied command of a page has the next version, so the index that prevents two of one version finds them in order.
_HISTORY = """
SELECT o.event_type, o.event::text AS event, o.decided_at, c.body AS comment
FROM approvals.outcome o LEFT JOIN approvals.comment c ON c.command_id = o.command_id AND c.site_id = o.site_id
WHERE o.site_id = $1 AND o.key = $1 || ':' || $2 AND o.reason IS NULL AND o.version > 0
    AND o.event_type <> 'approvalflow.event.workflow-event.v1' AND o.page_id = $2
ORDER BY o.version DESC LIMIT $3
"""


async def of_page(db: Reading, site_id: str, page_id: str, limit: int) -> list[Happening]:
    """The last that happened to a page, newest first."""
    return [
        Happening(row["event_type"], row["decided_at"], orjson.loads(row["event"]), row["comment"])
        for row in await db.fetch(_HISTORY, site_id, page_id, limit)
    ]


_GROUPS = "SELECT group_id, read_at FROM directory.member_group WHERE site_id = $1 AND group_id = ANY ($2::text[])"


async def groups_read(db: Reading, site_id: str, groups: list[str]) -> dict[str, datetime]:
    """When each of these groups was last read, where it ever was."""
    return {row["group_id"]: row["read_at"] for row in await db.fetch(_GROUPS, site_id, groups)}
