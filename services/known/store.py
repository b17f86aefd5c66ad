"""A page with its current approval, and what the directory and the workflows say of a caller."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.rules.state import Approval, Known, Page, Space, Workflow
from shared.contracts.events import Status
from shared.contracts.workflow import Definition
from shared.postgres import Reading

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy | Reading


_PAGE = """
SELECT p.version, p.page_version, p.space_id, p.state, p.state_at, p.edited_at, p.author_id, p.editor_id,
    p.run, p.workflow_id, p.workflow_version, p.approved_version, p.status, p.step, p.round, p.approvals, p.seats,
    p.submitted_at, EXISTS (
        SELECT FROM approvals.outcome o WHERE o.site_id = p.site_id AND o.page_id = p.page_id AND o.run = p.run
        AND o.round = p.round AND o.step = p.step AND o.voter_id = $3
    ) AS decided
FROM approvals.page p WHERE p.site_id = $1 AND p.page_id = $2
"""


async def page(db: Connection, site_id: str, page_id: str, account_id: str | None) -> Page | None:
    """A page as ``decision`` last wrote it, with whether this person has decided on its active step."""
    row = await db.fetchrow(_PAGE, site_id, page_id, account_id)
    if row is None:
        return None
    fields = ("version", "page_version", "space_id", "state", "state_at", "edited_at", "author_id", "editor_id")
    approval = None if row["run"] is None else _approval(row, account_id)
    return Page(site_id=site_id, page_id=page_id, approval=approval, **{name: row[name] for name in fields})


def _approval(row: asyncpg.Record, account_id: str | None) -> Approval:
    return Approval(
        run=row["run"], workflow_id=row["workflow_id"], workflow_version=row["workflow_version"],
        page_version=row["approved_version"], submitted_at=row["submitted_at"], status=Status(row["status"]),
        step=row["step"], round=row["round"], approvals=row["approvals"], seats=int.from_bytes(row["seats"], "little"),
        decided=frozenset({account_id}) if account_id is not None and row["decided"] else frozenset(),
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom and what a guard needs to know about. A page without a named workflow has the one assigned to it."""

    site_id: str
    account_id: str | None
    workflow_id: str | None = None
    workflow_version: int | None = None
    space_id: str | None = None
    page_id: str | None = None


_KNOWN = """
WITH mine AS (
    SELECT array_agg(g.group_id ORDER BY g.group_id) AS groups, array_agg(g.read_at ORDER BY g.group_id) AS read_at
    FROM directory.group_member m JOIN directory.member_group g USING (site_id, group_id)
    WHERE m.site_id = $1 AND m.account_id = $2
), chosen AS (
    SELECT coalesce(
        $3,
        (SELECT workflow_id FROM approvals.assignment WHERE site_id = $1 AND scope = 'page' AND scope_id = $6),
        (SELECT workflow_id FROM approvals.assignment WHERE site_id = $1 AND scope = 'space' AND scope_id = $5)
    ) AS workflow_id
)
SELECT w.workflow_id, w.version, w.workflow_version, w.space_id, w.archived, w.owners, w.owners_read_at, d.body,
    s.removed_at, s.admins_read_at, coalesce($2 = ANY (s.admins), false) AS admin, mine.groups, mine.read_at,
    (SELECT licence_active FROM directory.site WHERE site_id = $1) AS licence_active
FROM chosen CROSS JOIN mine
LEFT JOIN approvals.workflow w ON w.site_id = $1 AND w.workflow_id = chosen.workflow_id
LEFT JOIN approvals.definition d ON d.site_id = $1 AND d.workflow_id = w.workflow_id
    AND d.workflow_version = coalesce($4, w.workflow_version)
LEFT JOIN directory.space s ON s.site_id = $1 AND s.space_id = coalesce($5, w.space_id)
"""


async def known(db: Connection, wanted: Wanted, oldest: datetime) -> Known:
    """What the directory and the workflows say, in one statement; ``oldest`` is handed on to the guards."""
    row = await db.fetchrow(
        _KNOWN,
        wanted.site_id,
        wanted.account_id,
        wanted.workflow_id,
        wanted.workflow_version,
        wanted.space_id,
        wanted.page_id,
    )
    if row is None:  # cannot be: an aggregate without a group has one row
        raise LookupError("known")
    admins = frozenset({wanted.account_id}) if row["admin"] and wanted.account_id is not None else frozenset()
    return Known(
        oldest, Space(row["removed_at"], admins, row["admins_read_at"]),
        tuple(zip(row["groups"] or (), row["read_at"] or (), strict=True)),
        None if row["workflow_id"] is None else _workflow(row, wanted.site_id),
        None if row["body"] is None else Definition.model_validate_json(row["body"]), row["licence_active"],
    )


def _workflow(row: asyncpg.Record, site_id: str) -> Workflow:
    return Workflow(
        site_id, row["workflow_id"], row["version"], row["workflow_version"], row["space_id"], row["archived"],
        frozenset(row["owners"]), row["owners_read_at"],
    )
