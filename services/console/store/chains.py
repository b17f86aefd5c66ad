"""The chains of the audit log, across all sites, for the proof that an entry is what was written."""

from collections.abc import Sequence

from services.console.domain.links import Link
from shared.postgres import Reading

_HEADS = "SELECT partition, position FROM audit.head ORDER BY partition"


async def heads(db: Reading) -> dict[int, int]:
    """How many entries each chain has ever had."""
    return {row["partition"]: row["position"] for row in await db.fetch(_HEADS)}


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


async def links(db: Reading, places: Sequence[tuple[int, int]]) -> list[Link]:
    """What stands at each of these places, by partition and position, and what it is to be linked to."""
    partitions, positions = [place[0] for place in places], [place[1] for place in places]
    return [Link(**row) for row in await db.fetch(_LINKS, partitions, positions)]
