"""Sessions of a process that fell silent in the middle of a statement.

The server ends a transaction that is idle, but not one that waits for the rest of a COPY: it would keep its locks for as long as the
process that began it is paused, or until the network gives up on it.
"""

import asyncpg

_END_SILENT = """
    SELECT count(*) FROM (
        SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
         WHERE usename = current_user AND datname = current_database() AND state = 'active' AND wait_event = 'ClientRead'
           AND state_change < clock_timestamp() - make_interval(secs => $1)
    ) AS silent WHERE ended
"""


async def end_silent(pool: asyncpg.Pool, seconds: float) -> int:
    """End those of our own role that have waited so long for what their statement lacks; how many there were."""
    return int(await pool.fetchval(_END_SILENT, seconds))
