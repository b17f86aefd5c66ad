"""How far each run came, and whose turn it is."""

from dataclasses import replace
from datetime import datetime

from services.retention.domain import Kind, Run
from services.retention.store.rules import Connection

_TAKE_TURN = "SELECT pg_try_advisory_lock(7309273)"


async def take_turn(db: Connection) -> bool:
    """Be the only one that sweeps until this connection is given back or lost; False, if another is."""
    return bool(await db.fetchval(_TAKE_TURN))


_BOUND = """
    SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true)
"""


async def bound(db: Connection, statement_seconds: float, lock_seconds: float) -> None:
    """Give up what takes longer, until the transaction ends."""
    await db.execute(_BOUND, f"{statement_seconds * 1000:.0f}ms", f"{lock_seconds * 1000:.0f}ms")


_BEGUN = """
    SELECT run_id, site_id, kind, before, removed, digest, finished_at FROM retention.run
     WHERE recorded_at IS NULL ORDER BY finished_at, started_at
"""


async def begun(db: Connection) -> list[Run]:
    """Runs that nobody has been told of yet: first those with nothing left to remove."""
    return [Run(**dict(row) | {"kind": Kind(row["kind"])}) for row in await db.fetch(_BEGUN)]


_SAVE = """
    INSERT INTO retention.run (run_id, site_id, kind, before, removed, digest) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (run_id) DO UPDATE SET removed = excluded.removed, digest = excluded.digest
"""


async def save(db: Connection, run: Run) -> None:
    """Keep how far a run came.

    :raises asyncpg.UniqueViolationError: another run over the same records is not over.
    """
    await db.execute(_SAVE, run.run_id, run.site_id, run.kind, run.before, run.removed, run.digest)


_FINISH = "UPDATE retention.run SET finished_at = $2, digest = $3 WHERE run_id = $1 AND finished_at IS NULL"


async def finish(db: Connection, run: Run, digest: bytes, at: datetime) -> Run:
    """Nothing is left to remove; ``digest`` stands for all that went."""
    await db.execute(_FINISH, run.run_id, at, digest)
    return replace(run, digest=digest, finished_at=at)


_RECORDED = "UPDATE retention.run SET recorded_at = $2 WHERE run_id = $1"


async def recorded(db: Connection, run: Run, at: datetime) -> None:
    """The log has acknowledged the record of it."""
    await db.execute(_RECORDED, run.run_id, at)
