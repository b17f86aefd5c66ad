"""Approvals, pages, workflows and commands, each as of one moment: one statement reads all of an answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from services.console.answers import ApprovalAnswer, CommandAnswer, Decision, PageAnswer, Run, Waiting, WorkflowAnswer
from services.console.cursors import Place
from services.console.domain.approvals import Vote, missing, steps
from services.console.domain.listing import Order
from services.rules.state import approval_id
from shared.callers import Tenant
from shared.contracts.events import Status
from shared.contracts.workflow import Definition
from shared.postgres import Reading

_TENANT = "SELECT client_key, site_id, encrypted_secret, installed FROM command.connect_tenant WHERE client_key = $1"


async def tenant(db: asyncpg.Pool, client_key: str) -> Tenant | None:
    """The Connect install of this client key, present or past."""
    row = await db.fetchrow(_TENANT, client_key)
    return None if row is None else Tenant(**row)


@dataclass(frozen=True, slots=True)
class Stored:
    """An approval as stored. ``seats`` and ``approvals`` are those of the active step, 0 once it was replaced."""

    run: Run
    space_id: str | None
    version: int
    approvals: int
    seats: int
    definition: Definition
    votes: tuple[Vote, ...]

    def answer(self, page_id: str) -> ApprovalAnswer:
        """It as shown: its steps, who may decide and who has, and what is missing."""
        status, active = self.run.status, self.run.step
        decided = [vote.decision.account_id for vote in self.votes if vote.step == active]
        return ApprovalAnswer(
            **dict(self.run), page_id=page_id, space_id=self.space_id, version=self.version,
            steps=steps(self.definition, status, active, self.votes),
            missing=missing(self.definition.steps[active], self.approvals, self.seats, decided) if status is Status.OPEN else None,
        )


_APPROVAL = """
WITH asked AS (
    SELECT version, space_id, page_id, run, workflow_id, workflow_version, approved_version, status, step, round,
        approvals, seats, submitted_at, NULL::timestamptz AS replaced_at
    FROM approvals.page WHERE site_id = $1 AND page_id = $2 AND run = $3
    UNION ALL
    SELECT p.version, p.space_id, page_id, f.run, f.workflow_id, f.workflow_version, f.approved_version, f.status,
        f.step, f.round, 0, '', f.submitted_at, f.replaced_at
    FROM approvals.former_approval f JOIN approvals.page p USING (site_id, page_id)
    WHERE site_id = $1 AND page_id = $2 AND f.run = $3
)
SELECT a.*, d.body, (
    SELECT jsonb_agg(jsonb_build_object(
        'step', o.step, 'account_id', o.voter_id, 'verdict', o.verdict, 'decided_at', o.decided_at
    ) ORDER BY o.version)
    FROM approvals.outcome o WHERE o.site_id = $1 AND o.page_id = a.page_id AND o.run = a.run AND o.round = a.round
    AND o.voter_id IS NOT NULL
) AS votes
FROM asked a JOIN approvals.definition d ON d.site_id = $1 AND d.workflow_id = a.workflow_id
    AND d.workflow_version = a.workflow_version
"""


async def approval(db: Reading, site_id: str, page_id: str, run: int) -> Stored | None:
    """One approval, present or former, with the decisions of its last round."""
    row = await db.fetchrow(_APPROVAL, site_id, page_id, run)
    if row is None:
        return None
    votes = tuple(Vote(vote["step"], Decision.model_validate(vote)) for vote in row["votes"] or ())
    return Stored(
        _run(row), row["space_id"], row["version"], row["approvals"], int.from_bytes(row["seats"], "little"),
        Definition.model_validate_json(row["body"]), votes,
    )


def _run(row: asyncpg.Record | dict[str, Any]) -> Run:
    return Run.model_validate({
        **row, "approval_id": approval_id(row["page_id"], row["run"]), "page_version": row["approved_version"],
    })


_PAGE = """
SELECT p.*, (
    SELECT jsonb_agg(to_jsonb(f) ORDER BY f.run DESC) FROM (
        SELECT * FROM approvals.former_approval f WHERE f.site_id = $1 AND f.page_id = $2 ORDER BY f.run DESC LIMIT 100
    ) f
) AS earlier
FROM approvals.page p WHERE p.site_id = $1 AND p.page_id = $2
"""


async def page(db: Reading, site_id: str, page_id: str) -> PageAnswer | None:
    """A page with its present approval and those before."""
    row = await db.fetchrow(_PAGE, site_id, page_id)
    if row is None:
        return None
    present = None if row["run"] is None else _run(row)
    earlier = tuple(_run(former) for former in row["earlier"] or ())
    return PageAnswer.model_validate({**row, "approval": present, "earlier": earlier})


# Whom a step names is few beside what is open, so it starts from the caller's names, not from the open approvals.
_BEHIND = {
    Order.OLDEST: ("(p.submitted_at, p.page_id) > (coalesce($4, '-infinity'::timestamptz), coalesce($5, ''))", "ASC"),
    Order.NEWEST: ("($4::timestamptz IS NULL OR (p.submitted_at, p.page_id) < ($4, $5::text))", "DESC"),
}


def _waiting(order: Order) -> str:
    behind, direction = _BEHIND[order]
    return f"""
WITH mine AS (
    SELECT 'account' AS kind, $2 AS approver_id
    UNION ALL
    SELECT 'group', group_id FROM directory.group_member m JOIN directory.member_group g USING (site_id, group_id)
    WHERE site_id = $1 AND m.account_id = $2 AND g.read_at >= $3
), named AS (
    SELECT DISTINCT s.workflow_id, s.workflow_version, s.step
    FROM mine JOIN approvals.step_approver s ON s.site_id = $1 AND s.kind = mine.kind AND s.approver_id = mine.approver_id
)
SELECT p.page_id, p.run, p.space_id, p.approved_version AS page_version, p.workflow_id, p.step, p.round, p.submitted_at,
    p.version, d.body ->> 'name' AS workflow_name, d.body -> 'steps' -> p.step::integer ->> 'name' AS step_name
FROM named n JOIN approvals.page p ON p.site_id = $1 AND p.workflow_id = n.workflow_id
    AND p.workflow_version = n.workflow_version AND p.step = n.step AND p.status = 'open'
JOIN approvals.definition d ON d.site_id = $1 AND d.workflow_id = p.workflow_id AND d.workflow_version = p.workflow_version
WHERE {behind} AND ($7::text IS NULL OR p.space_id = $7) AND NOT EXISTS (
    SELECT FROM approvals.outcome o WHERE o.site_id = $1 AND o.page_id = p.page_id AND o.run = p.run
    AND o.round = p.round AND o.step = p.step AND o.voter_id = $2
)
ORDER BY p.submitted_at {direction}, p.page_id {direction} LIMIT $6
"""


_WAITING = {order: _waiting(order) for order in Order}


@dataclass(frozen=True, slots=True)
class Mine:
    """Whose open decisions; a group last read before ``oldest`` lets nobody decide. ``space_id`` None: of all spaces."""

    site_id: str
    account_id: str
    oldest: datetime
    space_id: str | None = None
    order: Order = Order.OLDEST


async def waiting(db: Reading, mine: Mine, after: Place | None, limit: int) -> list[Waiting]:
    """Open approvals that wait for this person, in order, from behind ``after`` on."""
    place = after or (None, None)
    rows = await db.fetch(_WAITING[mine.order], mine.site_id, mine.account_id, mine.oldest, *place, limit, mine.space_id)
    return [Waiting.model_validate({**row, "approval_id": approval_id(row["page_id"], row["run"])}) for row in rows]


_WORKFLOW = """
SELECT w.*, d.body, (
    SELECT jsonb_agg(to_jsonb(a) ORDER BY a.scope, a.scope_id) FROM (
        SELECT scope, scope_id FROM approvals.assignment
        WHERE site_id = $1 AND workflow_id = $2 ORDER BY scope, scope_id LIMIT 1000
    ) a
) AS assignments
FROM approvals.workflow w JOIN approvals.definition d USING (site_id, workflow_id, workflow_version)
WHERE site_id = $1 AND workflow_id = $2
"""


async def workflow(db: Reading, site_id: str, workflow_id: str) -> WorkflowAnswer | None:
    """A workflow with its present definition and where it is in use."""
    row = await db.fetchrow(_WORKFLOW, site_id, workflow_id)
    if row is None:
        return None
    definition = Definition.model_validate_json(row["body"])
    return WorkflowAnswer.model_validate({**row, "definition": definition, "assignments": row["assignments"] or ()})


_COMMAND = """
SELECT false AS pending, reason, version, event FROM approvals.outcome WHERE command_id = $2 AND site_id = $1
UNION ALL
SELECT true, NULL, 0, NULL FROM command.idempotency_key WHERE command_id = $2 AND site_id = $1
ORDER BY pending LIMIT 1
"""


async def command(db: Reading, site_id: str, command_id: UUID) -> CommandAnswer | None:
    """What became of a command of this site."""
    row = await db.fetchrow(_COMMAND, site_id, command_id)
    if row is None:
        return None
    known = {"site_id": site_id, "command_id": str(command_id)}
    return CommandAnswer.model_validate(known | ({"result": "pending"} if row["pending"] else _outcome(row)))


def _outcome(row: asyncpg.Record) -> dict[str, Any]:
    event = orjson.loads(row["event"])
    return {
        "result": "applied" if row["reason"] is None else "refused", "reason": row["reason"], "version": row["version"],
        **{name: event.get(name) for name in ("approval_id", "workflow_id", "status")},
    }
