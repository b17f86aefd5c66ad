"""Reading the evidence: the log, then the tables as of one moment after, then the archive."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import asyncpg
import zstandard
from aiokafka import AIOKafkaConsumer

from services.local.proof.evidence import INDEXES, Evidence, Message, Removed, message

INTAKE = "approvalflow.intake.v1"
EVENTS = "approvalflow.events.v1"


async def gather(dsn: str, bootstrap: str, archive: Path | None = None) -> Evidence:
    """Read everything. The topics come first, so that each record that is seen had the longer time to be handled."""
    found = Evidence()
    found.intake, whole = await read_topic(bootstrap, INTAKE)
    found.events, also_whole = await read_topic(bootstrap, EVENTS)
    found.whole = whole and also_whole
    await read_tables(dsn, found)
    if archive is not None:
        await asyncio.to_thread(read_archive, archive, found)
    return found


_OUTCOMES = """
    SELECT command_id::text AS id, site_id, key, reason, version, event_type, event::text AS raw, follow_ups::text,
           page_id, run, round, step, voter_id, verdict, decided_at
      FROM approvals.outcome ORDER BY site_id, key, decided_at, version
"""
_PAGES = "SELECT * FROM approvals.page"
_WORKFLOWS = "SELECT site_id, workflow_id, version, workflow_version FROM approvals.workflow"
_DEFINITIONS = "SELECT site_id, workflow_id, workflow_version, body::text FROM approvals.definition"
_COMMENTS = "SELECT command_id::text FROM approvals.comment"
_QUARANTINE = """
    SELECT topic, partition, log_offset FROM approvals.quarantine
    UNION ALL SELECT topic, partition, log_offset FROM audit.quarantine
"""


async def read_tables(dsn: str, found: Evidence) -> None:
    """Fill in what the database holds, all as of one moment."""
    db = await asyncpg.connect(dsn)
    try:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            await _approvals(db, found)
            await _audit(db, found)
            await _searches(db, found)
    finally:
        await db.close()


async def _approvals(db: asyncpg.Connection, found: Evidence) -> None:
    found.outcomes = [{**r, "event": json.loads(r["raw"])} for r in await db.fetch(_OUTCOMES)]
    found.pages = [dict(r) for r in await db.fetch(_PAGES)]
    found.workflows = [dict(r) for r in await db.fetch(_WORKFLOWS)]
    found.definitions = {
        (r["site_id"], r["workflow_id"], r["workflow_version"]): json.loads(r["body"]) for r in await db.fetch(_DEFINITIONS)
    }
    found.comments = {r["command_id"] for r in await db.fetch(_COMMENTS)}
    found.quarantined = {(r["topic"], r["partition"], r["log_offset"]) for r in await db.fetch(_QUARANTINE)}


_MEMBERS = "SELECT site_id, group_id, array_agg(account_id) AS members FROM directory.group_member GROUP BY 1, 2"
_ENTRIES = """
    SELECT event_id::text AS id, partition, position, site_id, page_id, space_id, workflow_id, actor_id, event_type,
           occurred_at, body
      FROM audit.entry
"""
_REMOVED = "SELECT partition, first_position, last_position FROM audit.removed"
_TRIMMED = "SELECT DISTINCT site_id FROM retention.run WHERE kind = 'outcomes' AND removed > 0"


async def _audit(db: asyncpg.Connection, found: Evidence) -> None:
    found.members = {(r["site_id"], r["group_id"]): frozenset(r["members"]) for r in await db.fetch(_MEMBERS)}
    found.entries = [dict(r) for r in await db.fetch(_ENTRIES)]
    found.removed = [Removed(**r) for r in await db.fetch(_REMOVED)]
    found.trimmed_sites = {r["site_id"] for r in await db.fetch(_TRIMMED)}


# Only a walk through the index can answer when every other way is closed.
_BY_INDEX_ONLY = """
    SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off; SET LOCAL enable_sort = off
"""
_SEARCH = """
    SELECT DISTINCT o.site_id, e.event_id::text AS id
      FROM (SELECT DISTINCT site_id, (event ->> '{column}')::{kind} AS value FROM approvals.outcome) AS o
      JOIN audit.entry e ON e.site_id = o.site_id AND e.{column} = o.value
"""


async def _searches(db: asyncpg.Connection, found: Evidence) -> None:
    await db.execute(_BY_INDEX_ONLY)
    for column in INDEXES:
        search = _SEARCH.format(column=column, kind="timestamptz" if column == "occurred_at" else "text")
        found.found_by[column] = {(r["site_id"], r["id"]) for r in await db.fetch(search)}


async def read_topic(bootstrap: str, topic: str, seconds: float = 60) -> tuple[list[Message], bool]:
    """Every record up to the present end, in the order of each partition; and whether none has expired.

    :raises TimeoutError: the broker did not hand them over in time.
    """
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        partitions = sorted(consumer.assignment())
        first, ends = await asyncio.gather(consumer.beginning_offsets(partitions), consumer.end_offsets(partitions))
        for partition in partitions:
            consumer.seek(partition, first[partition])
        found: list[Message] = []
        async with asyncio.timeout(seconds):
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [message(r) for r in records]
        return found, not any(first.values())
    finally:
        await consumer.stop()


def read_archive(root: Path, found: Evidence) -> None:
    """Every segment's lines by event id. One without a sidecar was still being written, and is written again."""
    found.archived = {}
    for sidecar in sorted((root / "events").glob("p*/*.json")):
        segment = sidecar.with_suffix(".ndjson.zst")
        content = segment.read_bytes() if segment.exists() else b""
        said: dict[str, Any] = json.loads(sidecar.read_bytes())
        if hashlib.sha256(content).hexdigest() != said["sha256"]:
            found.unreadable_segments.append(segment.name)
            continue
        lines = zstandard.ZstdDecompressor().decompressobj().decompress(content).splitlines()
        if len(lines) != said["count"]:
            found.unreadable_segments.append(segment.name)
        for line in lines:
            body = json.loads(line)
            found.archived[body["id"]] = body
