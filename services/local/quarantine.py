"""What waits in quarantine: seen as ``console`` may see it, released by a command like any other.

The records themselves hold people's words, so only what describes them is read.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
import orjson

from shared.clock import now
from shared.contracts.base import SYSTEM
from shared.contracts.commands import ReleaseQuarantine
from shared.contracts.envelope import headers
from shared.contracts.topics import INTAKE, site_of
from shared.kafka import BatchPublisher, Outgoing
from shared.settings import ServiceSettings

_SOURCE = "approvalflow/operator"
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Waiting:
    """One record and why it waits."""

    id: int
    topic: str
    partition: int
    log_offset: int
    key: str
    reason: str
    detail: str
    set_aside: bool
    held_at: datetime
    size: int
    """Of the record's value, in bytes."""


@dataclass(frozen=True, slots=True)
class Released:
    """What became of the release: ``reason`` where it was refused, else how many went and how many still wait."""

    command_id: UUID
    reason: str | None
    released: int
    remaining: int


_LIST = """
SELECT id, topic, partition, log_offset, key, reason, detail, set_aside, held_at, size
FROM approvals.quarantine WHERE ($1::text IS NULL OR key = $1) AND (set_aside = false OR $2) ORDER BY id LIMIT $3
"""


async def waiting(db: asyncpg.Connection, key: str | None = None, *, aside: bool = False, limit: int = 100) -> list[Waiting]:
    """What waits, oldest first; with ``aside`` also what was set aside."""
    return [Waiting(**row) for row in await db.fetch(_LIST, key, aside, limit)]


_OUTCOME = "SELECT reason, event::text FROM approvals.outcome WHERE command_id = $1"


async def release(
    db: asyncpg.Connection, settings: ServiceSettings, key: str, *, set_aside: bool = False, seconds: float = 30,
) -> Released:
    """Ask ``decision`` to handle again what waits under ``key``, and wait for what became of that.

    :raises TimeoutError: no outcome within ``seconds``; the command is on the log and will have one.
    """
    command_id = uuid4()
    command = ReleaseQuarantine(site_id=site_of(key), caller=SYSTEM, key=key, set_aside=set_aside)
    publisher = BatchPublisher(settings, "operator")
    await publisher.start()
    try:
        named = headers(ReleaseQuarantine, command_id, now(), _SOURCE)
        await publisher.publish([Outgoing(INTAKE.name, key.encode(), command.model_dump_json().encode(), named)])
    finally:
        await publisher.stop()
    async with asyncio.timeout(seconds):
        while (row := await db.fetchrow(_OUTCOME, command_id)) is None:
            await asyncio.sleep(_POLL_SECONDS)
    event = orjson.loads(row["event"])
    return Released(command_id, row["reason"], event.get("released", 0), event.get("remaining", 0))
