"""Policies and holds."""

import asyncpg

from services.retention.domain import Hold, Kind, Policy

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

_POLICIES = "SELECT site_id, kind, keep_days FROM retention.policy ORDER BY site_id, kind"


async def policies(db: Connection) -> list[Policy]:
    """Every policy of every site."""
    return [Policy(r["site_id"], Kind(r["kind"]), r["keep_days"]) for r in await db.fetch(_POLICIES)]


_SET_POLICY = """
    INSERT INTO retention.policy (site_id, kind, keep_days) VALUES ($1, $2, $3)
    ON CONFLICT (site_id, kind) DO UPDATE SET keep_days = excluded.keep_days
"""


async def set_policy(db: Connection, policy: Policy) -> None:
    """Keep records of this kind so long, from now on.

    :raises asyncpg.CheckViolationError: the log might still bring again what would be gone.
    """
    await db.execute(_SET_POLICY, policy.site_id, policy.kind, policy.keep_days)


_REMOVE_POLICY = "DELETE FROM retention.policy WHERE site_id = $1 AND kind = $2"


async def remove_policy(db: Connection, site_id: str, kind: Kind) -> bool:
    """Keep records of this kind for good; False, if that was so already."""
    done: str = await db.execute(_REMOVE_POLICY, site_id, kind)
    return done.endswith(" 1")


_HOLDS = "SELECT site_id, page_id, reason, placed_by, placed_at FROM retention.hold ORDER BY site_id, page_id"


async def holds(db: Connection) -> list[Hold]:
    """Every hold on every site."""
    return [Hold(**dict(row)) for row in await db.fetch(_HOLDS)]


_PLACE_HOLD = """
    INSERT INTO retention.hold (site_id, page_id, reason, placed_by) VALUES ($1, $2, $3, $4)
    ON CONFLICT (site_id, page_id) DO NOTHING
"""


async def place_hold(db: Connection, site_id: str, page_id: str, reason: str, placed_by: str) -> bool:
    """Let nothing of a page (or with ``""`` of a site) go, as soon as this is committed; False, if it is held already."""
    done: str = await db.execute(_PLACE_HOLD, site_id, page_id, reason, placed_by)
    return done.endswith(" 1")


_LIFT_HOLD = "DELETE FROM retention.hold WHERE site_id = $1 AND page_id = $2"


async def lift_hold(db: Connection, site_id: str, page_id: str) -> bool:
    """End a hold; False, if there is none."""
    done: str = await db.execute(_LIFT_HOLD, site_id, page_id)
    return done.endswith(" 1")


# Whoever sets a rule waits for the batch at work, and the next batch sees what they set.
_STILL = "LOCK TABLE retention.hold, retention.policy IN SHARE MODE"
_KEEP_DAYS = "SELECT keep_days FROM retention.policy WHERE site_id = $1 AND kind = $2"


async def keep_days(db: Connection, site_id: str, kind: Kind) -> int | None:
    """How long a policy keeps such records, None without one; no rule can change before the transaction ends.

    :raises asyncpg.LockNotAvailableError: somebody is setting one just now.
    """
    await db.execute(_STILL)
    days: int | None = await db.fetchval(_KEEP_DAYS, site_id, kind)
    return days
