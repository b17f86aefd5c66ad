"""A baseline: the same promises kept one message at a time, as a good FastStream tutorial leads to.

One message, one transaction: was it decided before, may this person decide, the page where its version still holds, the
outcome with the event in it. Then the event is published and acknowledged, and last the offset is committed. With several
in flight, FastStream gives each worker a consumer and so partitions of its own: what is about one page keeps its order.
"""

from uuid import UUID

import asyncpg
import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from pydantic import Field

from shared.clock import now
from shared.contracts.commands import RecordDecision
from shared.contracts.envelope import headers
from shared.contracts.events import CommandRefused, DecisionRecorded, Event, Status
from shared.contracts.reasons import Reason
from shared.contracts.topics import TYPE_OF
from shared.contracts.workflow import Definition, Quorum
from shared.postgres import connect_pool
from shared.settings import ServiceSettings

INTAKE, EVENTS, GROUP = "bench.naive.intake", "bench.naive.events", "bench-naive"
SCHEMA = """
    DROP SCHEMA IF EXISTS bench_naive CASCADE;
    CREATE SCHEMA bench_naive;
    CREATE TABLE bench_naive.workflow (workflow_id text PRIMARY KEY, definition text NOT NULL);
    CREATE TABLE bench_naive.approval (
        site_id text, page_id text, workflow_id text NOT NULL REFERENCES bench_naive.workflow, page_version integer NOT NULL,
        version integer NOT NULL, status text NOT NULL, step integer NOT NULL, approvals integer NOT NULL,
        PRIMARY KEY (site_id, page_id)
    ) WITH (fillfactor = 50);
    CREATE TABLE bench_naive.outcome (
        command_id uuid PRIMARY KEY, site_id text NOT NULL, page_id text NOT NULL, version integer NOT NULL, reason text,
        step integer, voter_id text, verdict text, event_type text NOT NULL, event json NOT NULL, decided_at timestamptz NOT NULL
    );
    CREATE UNIQUE INDEX one_vote ON bench_naive.outcome (site_id, page_id, step, voter_id) WHERE reason IS NULL;
"""
_STORED = "SELECT event_type, event FROM bench_naive.outcome WHERE command_id = $1"
_READ = """
    SELECT a.*, w.definition, EXISTS (
        SELECT FROM bench_naive.outcome o WHERE o.reason IS NULL
           AND (o.site_id, o.page_id, o.step, o.voter_id) = (a.site_id, a.page_id, a.step, $3)) AS decided
      FROM bench_naive.approval a JOIN bench_naive.workflow w USING (workflow_id) WHERE a.site_id = $1 AND a.page_id = $2
"""
_UPDATE = """
    UPDATE bench_naive.approval SET version = version + 1, status = $4, step = $5, approvals = $6
     WHERE site_id = $1 AND page_id = $2 AND version = $3
"""
_KEEP = "INSERT INTO bench_naive.outcome VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
Connection = asyncpg.pool.PoolConnectionProxy


class Settings(ServiceSettings):
    """``in_flight`` messages at once."""

    in_flight: int = Field(default=1, ge=1)


class LostRace(Exception):
    """Another consumer changed the page first; the message comes again."""


async def decide(db: Connection, command: RecordDecision, command_id: UUID) -> tuple[str, str]:
    """The event of this command, decided once and stored with its outcome: its type and its JSON."""
    if stored := await db.fetchrow(_STORED, command_id):
        return stored["event_type"], stored["event"]
    page = await db.fetchrow(_READ, command.site_id, command.page_id, command.caller.account_id)
    event = await _judge(db, command, command_id, page)
    kind, text = TYPE_OF[type(event)].type, event.model_dump_json(exclude_none=True)
    vote = (event.step, event.actor_id, event.verdict.value) if isinstance(event, DecisionRecorded) else (None, None, None)
    reason = event.reason.value if isinstance(event, CommandRefused) else None
    await db.execute(_KEEP, command_id, event.site_id, event.page_id, event.version, reason, *vote, kind, text, event.occurred_at)
    return kind, text


async def _judge(db: Connection, command: RecordDecision, command_id: UUID, page: asyncpg.Record | None) -> Event:
    """The event, with the page changed if it is no refusal."""
    definition = None if page is None else Definition.model_validate_json(page["definition"])
    reason = _reason(command, page, definition)
    if page is None or definition is None or reason is not None:
        return CommandRefused(
            site_id=command.site_id, command_id=str(command_id), occurred_at=now(), actor_id=command.caller.account_id,
            version=page["version"] if page else 0, page_id=command.page_id, command="RecordDecision",
            reason=reason or Reason.NOT_FOUND,
        )
    event = _recorded(command, command_id, page, definition)
    after = _after(page, event)
    if await db.execute(_UPDATE, command.site_id, command.page_id, page["version"], *after) != "UPDATE 1":
        raise LostRace
    return event


def _reason(command: RecordDecision, page: asyncpg.Record | None, definition: Definition | None) -> Reason | None:
    """Fewer rules than ours, which favours this."""
    if page is None or definition is None:
        return Reason.NOT_FOUND
    if page["status"] != Status.OPEN:
        return Reason.APPROVAL_CLOSED
    if command.page_version != page["page_version"]:
        return Reason.PAGE_VERSION_STALE
    if command.caller.account_id not in {approver.id for approver in definition.steps[page["step"]].approvers}:
        return Reason.NOT_AN_APPROVER
    return Reason.ALREADY_DECIDED if page["decided"] else None


def _recorded(command: RecordDecision, command_id: UUID, page: asyncpg.Record, definition: Definition) -> DecisionRecorded:
    rule = definition.steps[page["step"]].rule
    completed = page["approvals"] + 1 >= (rule.n if isinstance(rule, Quorum) else 1)
    last = page["step"] + 1 == len(definition.steps)
    return DecisionRecorded(
        site_id=command.site_id, command_id=str(command_id), occurred_at=now(), actor_id=command.caller.account_id,
        version=page["version"] + 1, page_id=command.page_id, workflow_id=page["workflow_id"], approval_id=command.approval_id,
        page_version=command.page_version, status=Status.APPROVED if completed and last else Status.OPEN, step=page["step"],
        round=1, verdict=command.verdict, step_completed=completed,
    )


def _after(page: asyncpg.Record, event: DecisionRecorded) -> tuple[str, int, int]:
    """Status, step and approvals once this decision counts."""
    if event.step_completed and event.status is Status.OPEN:
        return event.status, page["step"] + 1, 0
    return event.status, page["step"], page["approvals"] + 1


async def run(settings: Settings) -> None:
    """Consume until told to stop."""
    broker = KafkaBroker(settings.kafka.split(","), acks="all", enable_idempotence=settings.kafka_idempotent, logger=None)
    publisher = broker.publisher(EVENTS)
    async with await connect_pool(settings.database.get_secret_value(), settings.in_flight, GROUP) as pool:

        @broker.subscriber(INTAKE, group_id=GROUP, auto_offset_reset="earliest", ack_policy=AckPolicy.NACK_ON_ERROR,
                           max_workers=settings.in_flight)
        async def on_decision(command: RecordDecision) -> None:
            # As a parameter of this function it would be looked up in a thread, which costs as much as deciding.
            command_id = UUID(broker.context.get_local("message").headers["ce_id"])
            async with pool.acquire() as db, db.transaction():
                kind, event = await decide(db, command, command_id)
            named = headers(_EVENTS[kind], command_id, now(), "approvalflow/naive")
            key = f"{command.site_id}:{command.page_id}".encode()
            await publisher.publish(event.encode(), key=key, headers={name: value.decode() for name, value in named})

        await FastStream(broker, logger=None).run()


_EVENTS: dict[str, type[Event]] = {TYPE_OF[model].type: model for model in (CommandRefused, DecisionRecorded)}

if __name__ == "__main__":
    uvloop.run(run(Settings()))
