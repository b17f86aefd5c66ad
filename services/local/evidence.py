"""What is stored, read by its own statements: both topics from their beginning, and the tables they became.

Nothing here knows how a service works, so that what is concluded from it does not repeat a service's mistake.
"""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

INTAKE = "approvalflow.intake.v1"
EVENTS = "approvalflow.events.v1"
Row = dict[str, Any]
Place = tuple[str, int, int]
"""Topic, partition and offset."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record of the log. ``data`` is None where the value is no JSON object; ``id`` and ``type`` are empty if absent."""

    topic: str
    partition: int
    offset: int
    key: str
    type: str
    id: str
    value: bytes
    data: Row | None

    @property
    def place(self) -> Place:
        """Where on the log it is."""
        return self.topic, self.partition, self.offset

    @property
    def is_command(self) -> bool:
        """Is it something asked for, as far as its header says?"""
        return self.type.startswith("approvalflow.command.")

    def named(self, kind: str) -> bool:
        """Is it of this kind, as in ``record-decision``?"""
        return self.type.rpartition(".v")[0].rpartition(".")[2] == kind


@dataclass(slots=True)
class Evidence:
    """All that the guarantees are judged by. Rows are as stored, except that ``event`` and ``body`` are also read."""

    intake: list[Message] = field(default_factory=list)
    events: list[Message] = field(default_factory=list)
    whole: bool = True
    """Does the log still begin at its first record?"""
    outcomes: list[Row] = field(default_factory=list)
    pages: list[Row] = field(default_factory=list)
    workflows: list[Row] = field(default_factory=list)
    definitions: dict[tuple[str, str, int], Row] = field(default_factory=dict)
    members: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    spaces: list[Row] = field(default_factory=list)
    sites: list[Row] = field(default_factory=list)
    comments: set[str] = field(default_factory=set)
    quarantined: set[Place] = field(default_factory=set)
    entries: list[Row] = field(default_factory=list)
    removed: int = 0
    """How many audit entries retention took."""
    trimmed_sites: set[str] = field(default_factory=set)
    """Sites whose outcomes retention has removed some of."""


_OUTCOMES = """
    SELECT command_id::text AS id, site_id, key, reason, version, event_type, event::text AS raw, follow_ups::text,
           page_id, run, round, step, voter_id, verdict, decided_at
      FROM approvals.outcome ORDER BY site_id, key, decided_at, version
"""
_PAGES = "SELECT * FROM approvals.page"
_WORKFLOWS = "SELECT site_id, workflow_id, version, workflow_version FROM approvals.workflow"
_DEFINITIONS = "SELECT site_id, workflow_id, workflow_version, body::text FROM approvals.definition"
_MEMBERS = "SELECT site_id, group_id, array_agg(account_id) AS members FROM directory.group_member GROUP BY 1, 2"
_SPACES = "SELECT site_id, space_id, removed_at FROM directory.space"
_SITES = "SELECT site_id, installed_at FROM directory.site"
_COMMENTS = "SELECT command_id::text FROM approvals.comment"
_QUARANTINE = "SELECT topic, partition, log_offset FROM approvals.quarantine"
_ENTRIES = """
    SELECT event_id::text AS id, partition, position, site_id, page_id, space_id, workflow_id, actor_id, event_type,
           occurred_at, body
      FROM audit.entry
"""
_REMOVED = "SELECT count(*) FROM audit.removed"
_TRIMMED = "SELECT DISTINCT site_id FROM retention.run WHERE kind = 'outcomes' AND removed > 0"


async def gather(dsn: str, bootstrap: str) -> Evidence:
    """Read everything. The topics come first, so that each record that is seen had the longer time to be handled."""
    found = Evidence()
    found.intake, whole = await read_topic(bootstrap, INTAKE)
    found.events, also_whole = await read_topic(bootstrap, EVENTS)
    found.whole = whole and also_whole
    await read_tables(dsn, found)
    return found


async def read_tables(dsn: str, found: Evidence) -> None:
    """Fill in what the database holds, all as of one moment."""
    db = await asyncpg.connect(dsn)
    try:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            await _approvals(db, found)
            await _rest(db, found)
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


async def _rest(db: asyncpg.Connection, found: Evidence) -> None:
    found.members = {(r["site_id"], r["group_id"]): frozenset(r["members"]) for r in await db.fetch(_MEMBERS)}
    found.spaces = [dict(r) for r in await db.fetch(_SPACES)]
    found.sites = [dict(r) for r in await db.fetch(_SITES)]
    found.entries = [dict(r) for r in await db.fetch(_ENTRIES)]
    found.removed = await db.fetchval(_REMOVED)
    found.trimmed_sites = {r["site_id"] for r in await db.fetch(_TRIMMED)}


async def read_topic(bootstrap: str, topic: str, seconds: float = 60) -> tuple[list[Message], bool]:
    """Every record up to the present end, in the order of each partition; and whether none has expired.

    :raises TimeoutError: the broker did not hand them over in time.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for n in sorted(await _partitions(consumer, topic))]
        consumer.assign(partitions)
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


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer.topics()  # fetches what is known of all topics
    found: set[int] | None = consumer.partitions_for_topic(topic)
    if not found:
        raise LookupError(f"no topic {topic}")
    return found


def message(record: Any) -> Message:
    """A record as it was written; what cannot be read of it stays empty."""
    headers = dict(record.headers)
    try:
        data = json.loads(record.value)
    except (TypeError, ValueError):
        data = None
    text = {name: headers.get(name, b"").decode(errors="replace") for name in ("ce_type", "ce_id")}
    return Message(
        record.topic, record.partition, record.offset, (record.key or b"").decode(errors="backslashreplace"),
        text["ce_type"], text["ce_id"].lower(), record.value or b"", data if isinstance(data, dict) else None,
    )


def moment(value: str) -> datetime:
    """An instant as it is written on the wire."""
    return datetime.fromisoformat(value)
