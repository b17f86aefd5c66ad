"""What waits in quarantine under one key, and what became of releasing it: places, sizes and reasons, never what it says."""

from uuid import UUID

import orjson

from services.console.domain.releasing import Record, Released, Service
from shared.postgres import Reading

_RECORDS = {
    Service.DECISION: """
SELECT partition, log_offset, reason, detail, held_at, size, set_aside AS done
FROM approvals.quarantine WHERE key = $1 ORDER BY set_aside, partition, log_offset LIMIT $2
""",
    Service.AUDIT_FANOUT: """
SELECT partition, log_offset, reason, detail, held_at, NULL::integer AS size, released_at IS NOT NULL AS done
FROM audit.quarantine WHERE key = $1 ORDER BY released_at IS NOT NULL, partition, log_offset LIMIT $2
""",
}


async def records(db: Reading, service: Service, key: str, limit: int) -> list[Record]:
    """What is kept under a key, in the order it would be handled; what is done with last."""
    return [Record(**row) for row in await db.fetch(_RECORDS[service], key, limit)]


_RELEASED = "SELECT reason, event::text AS event FROM approvals.outcome WHERE command_id = $1 AND key = $2"


async def released(db: Reading, command_id: UUID, key: str) -> Released | None:
    """What became of releasing this key; None, as long as nothing has."""
    row = await db.fetchrow(_RELEASED, command_id, key)
    if row is None:
        return None
    event = orjson.loads(row["event"])
    return Released(row["reason"], event.get("released", 0), event.get("remaining", 0))
