"""A baseline: what PostgreSQL here could do at best. The rows of a round of the engine, written again and nothing else.

No broker, no reading, no deciding, and no rows to build: each part's outcomes are the bytes that the database itself gave
out, written back by COPY in one transaction with the update of their pages, over several connections at once. The tables
are as the engine's, indexes and all, but empty when a round begins, which favours this.
"""

import asyncio
import io
import os
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from bench import seed
from bench.load import Place
from bench.measure import Span, sample
from bench.report import Run
from bench.stage import Stage
from services.decision.settings import Settings

CONNECTIONS = 4
_TABLES = ("page", "outcome")
_VOTES = """
    SELECT page_id, version, command_id FROM approvals.outcome WHERE site_id = $1 AND voter_id IS NOT NULL ORDER BY version, page_id
"""
_BYTES = "SELECT * FROM approvals.outcome WHERE command_id = ANY ($1::uuid[])"
_UPDATE = """
    UPDATE bench_ceiling.page SET version = $3 + 1, status = $4, step = $5, approvals = $6
     WHERE site_id = $1 AND page_id = ANY ($2::text[]) AND version = $3
"""
_AFTER = {2: ("open", 0, 1), 3: ("open", 1, 0), 4: ("approved", 1, 1)}
"""Status, step and approvals of a page at each version, for approvals of the usual shape."""


class Part(NamedTuple):
    """What one transaction writes: pages that reach one version, and the bytes of their outcomes."""

    pages: list[str]
    version: int
    outcomes: bytes


async def ceiling(stage: Stage, site: str) -> Run:
    """Decisions a second, if they are only to be written: those that the engine made on this site.

    :raises AssertionError: something was not written.
    """
    lanes = await _lanes(stage.db, site)
    if not any(lanes):
        raise AssertionError("the engine left nothing to write again")
    await _make_tables(stage.db, site)
    votes = sum(len(part.pages) for lane in lanes for part in lane)
    watched = {"service": [os.getpid()], **stage.servers}
    connections = [await asyncpg.connect(stage.stack.postgres.dsn()) for _ in lanes]
    try:
        first = sample(0, watched)
        await asyncio.gather(*(_write(db, site, lane) for db, lane in zip(connections, lanes, strict=True)))
        span = Span(first, sample(votes, watched))
    finally:
        await asyncio.gather(*(db.close() for db in connections))
    if (written := await stage.db.fetchval("SELECT count(*) FROM bench_ceiling.outcome")) != votes:
        raise AssertionError(f"{written} of {votes} outcomes written")
    return Run(value=span.rate, cpu=span.microseconds())


async def _write(db: asyncpg.Connection, site: str, lane: Sequence[Part]) -> None:
    for part in lane:
        async with db.transaction():
            await db.execute(_UPDATE, site, part.pages, part.version - 1, *_AFTER[part.version])
            await db.copy_to_table("outcome", schema_name="bench_ceiling", source=io.BytesIO(part.outcomes), format="binary")


async def _lanes(db: asyncpg.Connection, site: str) -> list[list[Part]]:
    """For each connection its parts, as large as the engine's; a page is always in one lane."""
    lanes: list[dict[int, list[asyncpg.Record]]] = [defaultdict(list) for _ in range(CONNECTIONS)]
    for row in await db.fetch(_VOTES, site):
        lanes[int(row["page_id"]) % CONNECTIONS][row["version"]].append(row)
    return [[await _part(db, rows) for version in sorted(lane) for rows in _cut(lane[version])] for lane in lanes]


def _cut(rows: Sequence[asyncpg.Record]) -> list[Sequence[asyncpg.Record]]:
    size = Settings().part_records
    return [rows[start:start + size] for start in range(0, len(rows), size)]


async def _part(db: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> Part:
    outcomes = io.BytesIO()
    await db.copy_from_query(_BYTES, [row["command_id"] for row in rows], output=outcomes, format="binary")
    return Part([row["page_id"] for row in rows], rows[0]["version"], outcomes.getvalue())


async def _make_tables(db: asyncpg.Connection, site: str) -> None:
    """Copies of the engine's tables, with the site's pages as they were before the first decision."""
    await db.execute("DROP SCHEMA IF EXISTS bench_ceiling CASCADE; CREATE SCHEMA bench_ceiling")
    for table in _TABLES:
        await db.execute(f"CREATE TABLE bench_ceiling.{table} (LIKE approvals.{table} INCLUDING ALL)")
        for option in await db.fetchval("SELECT reloptions FROM pg_class WHERE oid = $1::text::regclass", f"approvals.{table}") or ():
            await db.execute(f"ALTER TABLE bench_ceiling.{table} SET ({option})")
    places = [Place(site, row["page_id"]) for row in await db.fetch("SELECT page_id FROM approvals.page WHERE site_id = $1", site)]
    await seed.pages(db, places, table="bench_ceiling.page")
    await db.execute("VACUUM (ANALYZE) bench_ceiling.page")
    await db.execute("CHECKPOINT")
