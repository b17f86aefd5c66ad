"""Events as decision publishes them, and what a test looks at afterwards."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from services.audit_fanout.domain import Entry, read
from services.audit_fanout.settings import Settings
from services.audit_fanout.wiring import build
from shared.clock import now
from shared.contracts.commands import Verdict
from shared.contracts.envelope import headers
from shared.contracts.events import DecisionRecorded, Event, Status
from shared.contracts.topics import EVENTS
from shared.kafka import BatchPublisher, Outgoing, Record
from shared.settings import ServiceSettings
from tests.builders import ALICE, SITE, SPACE, WORKFLOW
from tests.waiting import until


@dataclass(slots=True)
class Raw:
    """A record as a consumer hands it over."""

    partition: int
    offset: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    key: bytes | None = b"site-1:900"
    topic: str = EVENTS.name
    timestamp: int = 0


_OFFSETS = itertools.count()


def an_event(page: str = "900", **changes: Any) -> DecisionRecorded:
    """Alice approved a page."""
    return DecisionRecorded.model_validate({
        "site_id": SITE, "command_id": str(uuid4()), "occurred_at": now(), "actor_id": ALICE, "version": 3, "page_id": page,
        "space_id": SPACE, "workflow_id": WORKFLOW, "approval_id": f"{page}-1", "page_version": 7, "status": Status.OPEN,
        "step": 0, "round": 1, "verdict": Verdict.APPROVE, "step_completed": False, **changes,
    })


def outgoing(event: Event, partition: int = 0, **changes: Any) -> Outgoing:
    """An event on its way to its partition."""
    named = headers(type(event), UUID(event.command_id), event.occurred_at, "approvalflow/decision")
    value = event.model_dump_json(exclude_none=True).encode()
    return Outgoing(EVENTS.name, f"{event.site_id}:{event.page_id}".encode(), value, named, partition)._replace(**changes)


def raw(event: Event, partition: int = 0) -> tuple[Record, Entry]:
    """An event as a sink is given it."""
    out = outgoing(event, partition)
    record = Raw(partition, next(_OFFSETS), out.value, tuple(out.headers), out.key)
    return record, read(record.value, record.headers)


@asynccontextmanager
async def publisher(kafka: str, *, idempotent: bool) -> AsyncIterator[BatchPublisher]:
    """Something that publishes as decision does."""
    one = BatchPublisher(ServiceSettings(kafka=kafka, kafka_idempotent=idempotent), "decision")
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@asynccontextmanager
async def running(kafka: str, dsn: str, **settings: Any) -> AsyncIterator[None]:
    """The service, in this process."""
    async with build(Settings(kafka=kafka, database=dsn, archive_seconds=0.2, stop_seconds=3, **settings)):
        yield


async def recorded(db: asyncpg.Connection, events: Sequence[Event], seconds: float = 30) -> list[asyncpg.Record]:
    """The entries of these events, once all are there."""
    ids = [UUID(event.command_id) for event in events]

    async def all_there() -> list[asyncpg.Record] | None:
        rows: list[asyncpg.Record] = await db.fetch("SELECT * FROM audit.entry WHERE event_id = ANY ($1::uuid[])", ids)
        return rows if len(rows) >= len(set(ids)) else None

    return await until(all_there, seconds) or []
