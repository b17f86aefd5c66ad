"""Records old and young, and a sweep over them on a real database and a real log."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from services.audit_fanout.domain import extend
from services.audit_fanout.store import entries
from services.audit_fanout.verify import verify
from services.decision.domain import site
from services.decision.domain.result import Cause
from services.retention.domain import Kind, Planned, Policy, Run, before
from services.retention.settings import Settings
from services.retention.store import records, rules
from services.retention.sweep import Publish, Sweep, Swept
from shared.clock import now
from shared.contracts.commands import RecordRetention
from shared.contracts.envelope import parse
from shared.contracts.events import Event
from shared.contracts.topics import INTAKE
from shared.kafka import Outgoing
from tests.integration.audit_log import an_event, raw

DAY = timedelta(days=1)
OLD, YOUNG = 50 * DAY, 20 * DAY
ONE, TWO = "site-1", "site-2"
_EMPTY = """
    TRUNCATE retention.policy, retention.hold, retention.run, audit.entry, audit.head, audit.removed, audit.checkpoint,
        approvals.page, approvals.former_approval, approvals.outcome, approvals.comment, command.idempotency_key
"""
_OUTCOME = """
    INSERT INTO approvals.outcome (command_id, site_id, key, version, event_type, event, page_id, decided_at)
    VALUES ($1, $2, $3, 0, 'test', '{}', $4, $5)
"""
_FORMER = """
    INSERT INTO approvals.former_approval (site_id, page_id, run, workflow_id, workflow_version, approved_version, status,
        step, round, submitted_at, replaced_at) VALUES ($1, $2, $3, 'wf', 1, 1, 'approved', 0, 1, $4, $4)
"""
_COMMENT = """
    INSERT INTO approvals.comment (command_id, site_id, author_id, salt, body, written_at)
    VALUES ($1, $2, 'acc:ann', 'salt', 'words', $3)
"""
_KEY = """
    INSERT INTO command.idempotency_key (site_id, account_id, key, body_digest, command_id, accepted_at)
    VALUES ($1, 'acc:ann', $2, sha256('body'), $3, $4)
"""


def month(ago: int) -> datetime:
    """Noon on the tenth of a month, so many months ago."""
    first = now().replace(day=1, hour=12, minute=0, second=0, microsecond=0)
    for _ in range(ago):
        first = (first - DAY).replace(day=1)
    return first + 9 * DAY


@dataclass
class Scene:
    """What a test arranges and looks at; ``published`` is what the log acknowledged."""

    db: asyncpg.Connection
    pool: asyncpg.Pool
    send: Publish
    settings: Settings
    published: list[Outgoing] = field(default_factory=list)

    async def clear(self) -> None:
        """Nothing stored, nothing published."""
        self.published.clear()
        await self.db.execute(_EMPTY)
        for name in await self.months():
            await self.db.execute(f"DROP TABLE audit.{name}")

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        """Publish for real, and remember."""
        messages = list(messages)
        await self.send(messages)
        self.published += messages

    def sweep(self, pool: asyncpg.Pool | None = None, **settings: Any) -> Sweep:
        """A sweep with these settings."""
        return Sweep(pool or self.pool, self.publish, self.settings.model_copy(update=settings))

    async def swept(self, **settings: Any) -> Swept:
        """What one sweep did."""
        return await self.sweep(**settings).run_once()

    async def policy(self, site_id: str, kind: Kind, days: int = 40) -> None:
        """Keep so long."""
        await rules.set_policy(self.db, Policy(site_id, kind, days))

    async def hold(self, site_id: str, page_id: str = "") -> None:
        """Hold a page, or a site."""
        assert await rules.place_hold(self.db, site_id, page_id, "a lawsuit", "ann")

    async def plan(self) -> dict[tuple[str, Kind], Planned]:
        """What would go now of each site and kind with a policy."""
        return {
            (p.site_id, p.kind): await records.plan(self.db, p.site_id, p.kind, before(p.keep_days, now()))
            for p in await rules.policies(self.db)
        }

    async def add(self, kind: Kind, site_id: str, page_id: str, age: timedelta, count: int = 1) -> None:
        """Records of one kind, of one age."""
        at = now() - age
        if kind is Kind.AUDIT:
            await self.audit([an_event(page_id, site_id=site_id, occurred_at=at) for _ in range(count)])
            return
        for n in range(count):
            id_ = uuid4()
            if kind is Kind.APPROVALS:
                await self.db.execute(_FORMER, site_id, page_id, age.days * 1000 + n + 1, at)
            elif kind is Kind.IDEMPOTENCY_KEYS:
                await self.db.execute(_KEY, site_id, str(id_), id_, at)
            else:
                await self.db.execute(_OUTCOME, id_, site_id, f"{site_id}:{page_id}", page_id, at)
                if kind is Kind.COMMENTS:
                    await self.db.execute(_COMMENT, id_, site_id, at)

    async def audit(self, events: Iterable[Event], partition: int = 0) -> None:
        """Entries at the end of a chain."""
        found = [raw(event)[1] for event in events]
        await entries.ensure_months(self.db, [e.occurred_at for e in found])
        head = await entries.heads(self.db, [partition])
        async with self.db.transaction():
            assert await entries.append(self.db, head, extend(head[partition], found))

    async def audit_published(self, at: datetime | None = None) -> list[RecordRetention]:
        """Have what was published decided (now, if not at another time) and audited, once for each command id; the commands."""
        told = {e.id: e.data for m in self.published if (e := parse(INTAKE, m.value, tuple(m.headers)))}
        for id_, command in told.items():
            assert isinstance(command, RecordRetention)
            decided = site.decide(command, Cause(id_, None), site.Present(), at or now())
            assert decided is not None
            await self.audit([decided.event], partition=1)
        return [command for command in told.values() if isinstance(command, RecordRetention)]

    async def wrong(self) -> str | None:
        """What is wrong with the audit log, if anything."""
        async with self.db.transaction():
            await self.db.execute("UPDATE retention.run SET recorded_at = recorded_at - interval '1 day'")
        found = (await verify(self.db)).wrong
        return None if found is None else str(found)

    async def runs(self) -> list[Run]:
        """Every run there was."""
        rows = await self.db.fetch("SELECT run_id, site_id, kind, before, removed, digest, finished_at FROM retention.run")
        return [Run(**dict(row) | {"kind": Kind(row["kind"])}) for row in rows]

    async def left(self, kind: Kind, site_id: str) -> int:
        """How many records of a kind a site has."""
        found: int = await self.db.fetchval(f"SELECT count(*) FROM {records.SOURCES[kind].table} WHERE site_id = $1", site_id)
        return found

    async def months(self) -> list[str]:
        """The partitions of the audit log."""
        rows = await self.db.fetch("SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
                                   " WHERE inhparent = 'audit.entry'::regclass ORDER BY 1")
        return [row["relname"] for row in rows]


def ids(messages: Iterable[Outgoing]) -> set[UUID]:
    """The command ids of published messages."""
    return {UUID(dict(m.headers)["ce_id"].decode()) for m in messages}
