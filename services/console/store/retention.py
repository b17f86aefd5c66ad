"""What retention has removed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.postgres import Reading


@dataclass(frozen=True, slots=True)
class Run:
    """The removal of a site's records of one kind. ``recorded_at`` is when the log had the record of it."""

    run_id: UUID
    site_id: str
    kind: str
    before: datetime
    removed: int
    digest: bytes
    started_at: datetime
    finished_at: datetime | None
    recorded_at: datetime | None


_RUNS = """
SELECT run_id, site_id, kind, before, removed, digest, started_at, finished_at, recorded_at FROM retention.run
WHERE $1::text IS NULL OR site_id = $1 ORDER BY started_at DESC LIMIT $2
"""


async def runs(db: Reading, site_id: str | None, limit: int) -> list[Run]:
    """The last runs, of one site or of all, newest first."""
    return [Run(**row) for row in await db.fetch(_RUNS, site_id, limit)]
