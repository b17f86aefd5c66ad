"""Workflows, directory facts and licences: rare, so each command is its own short transaction."""

from datetime import datetime
from typing import Any

from services.decision.domain.batch import Stored
from services.decision.domain.site import PAGES_AT_ONCE, Present
from services.decision.domain.workflow import WorkflowState
from services.decision.store.pages import Connection
from services.rules.state import Known, Space, Workflow
from shared.contracts.commands import (
    CancelApprovals,
    CreateWorkflow,
    RecordGroupMembers,
    RecordSpaceAdmins,
    SetLicence,
    SiteCommand,
    WorkflowCommand,
)
from shared.contracts.facts import AppChanged, Fact, SpaceChanged
from shared.contracts.workflow import Definition

_LOCK_WORKFLOW = "SELECT * FROM approvals.workflow WHERE site_id = $1 AND workflow_id = $2 FOR UPDATE"
_SPACE = "SELECT * FROM directory.space WHERE site_id = $1 AND space_id = $2"
_LICENCE = "SELECT licence_active FROM directory.site WHERE site_id = $1"


async def lock_workflow(db: Connection, command: WorkflowCommand, oldest: datetime) -> tuple[Workflow | None, Known]:
    """The workflow as it is, held until the transaction ends, and what the directory says of its space."""
    row = await db.fetchrow(_LOCK_WORKFLOW, command.site_id, command.workflow_id)
    workflow = None if row is None else Workflow(
        row["site_id"], row["workflow_id"], row["version"], row["workflow_version"], row["space_id"], row["archived"],
        frozenset(row["owners"]), row["owners_read_at"],
    )
    space_id = command.space_id if isinstance(command, CreateWorkflow) else workflow.space_id if workflow else ""
    space = await db.fetchrow(_SPACE, command.site_id, space_id)
    known_space = Space() if space is None else Space(
        space["removed_at"], frozenset(space["admins"]), space["admins_read_at"]
    )
    licence = await db.fetchval(_LICENCE, command.site_id)
    return workflow, Known(oldest=oldest, space=known_space, workflow=workflow, licence_active=licence)


_ADD_WORKFLOW = """
    INSERT INTO approvals.workflow (site_id, workflow_id, version, workflow_version, space_id, archived, owners,
        owners_read_at) VALUES ($1, $2, $3, $4, $5, $6, $7::text[], $8)
"""
_MOVE_WORKFLOW = """
    UPDATE approvals.workflow SET version = $3, workflow_version = $4, archived = $6, owners = $7::text[],
        owners_read_at = $8
     WHERE site_id = $1 AND workflow_id = $2 AND space_id = $5 AND version = $3 - 1
"""
_ADD_DEFINITION = """
    INSERT INTO approvals.definition (site_id, workflow_id, workflow_version, body) VALUES ($1, $2, $3, $4::json)
"""
_ADD_APPROVERS = """
    INSERT INTO approvals.step_approver (site_id, workflow_id, workflow_version, step, kind, approver_id)
    SELECT $1, $2, $3, * FROM unnest($4::smallint[], $5::text[], $6::text[])
"""
_ASSIGN = """
    INSERT INTO approvals.assignment (site_id, scope, scope_id, workflow_id) VALUES ($1, $2, $3, $4)
    ON CONFLICT (site_id, scope, scope_id) DO UPDATE SET workflow_id = excluded.workflow_id
"""


class LostRace(Exception):
    """Another writer moved the record since it was read; decide again."""


async def write_workflow(db: Connection, state: WorkflowState) -> None:
    """Write a workflow's next version, and what comes with it.

    :raises LostRace: it is no longer at the version it was decided on.
    """
    w = state.workflow
    if w is None:
        return
    row = (w.site_id, w.workflow_id, w.version, w.workflow_version, w.space_id, w.archived, sorted(w.owners),
           w.owners_read_at)
    done = await db.execute(_ADD_WORKFLOW if w.version == 1 else _MOVE_WORKFLOW, *row)
    if done.rpartition(" ")[2] != "1":
        raise LostRace
    if state.definition is not None:
        await _write_definition(db, w, state.definition)
    if state.assigned is not None:
        await db.execute(_ASSIGN, w.site_id, *state.assigned, w.workflow_id)


async def _write_definition(db: Connection, w: Workflow, definition: Definition) -> None:
    key = (w.site_id, w.workflow_id, w.workflow_version)
    await db.execute(_ADD_DEFINITION, *key, definition.model_dump_json())
    named = [(n, a.kind, a.id) for n, step in enumerate(definition.steps) for a in step.approvers]
    await db.execute(_ADD_APPROVERS, *key, *(list(column) for column in zip(*named, strict=True)))


_ADMINS_READ_AT = "SELECT admins_read_at FROM directory.space WHERE site_id = $1 AND space_id = $2 FOR UPDATE"
_GROUP_READ_AT = "SELECT read_at FROM directory.member_group WHERE site_id = $1 AND group_id = $2 FOR UPDATE"
_LICENCE_READ_AT = "SELECT licence_read_at FROM directory.site WHERE site_id = $1 FOR UPDATE"
_REMOVED_AT = "SELECT removed_at FROM directory.space WHERE site_id = $1 AND space_id = $2 FOR UPDATE"
_INSTALLED_AT = "SELECT installed_at FROM directory.site WHERE site_id = $1 FOR UPDATE"
_OPEN = """
    SELECT page_id, run FROM approvals.page
     WHERE status = 'open' AND site_id = $1 AND page_id > $3
       AND CASE $2::text WHEN 'space' THEN space_id = $4 WHEN 'workflow' THEN workflow_id = $4 ELSE true END
     ORDER BY page_id LIMIT $5
"""


async def present(db: Connection, message: SiteCommand | Fact) -> Present:
    """What is known of the thing this message is about, held until the transaction ends."""
    site = message.site_id
    match message:
        case RecordSpaceAdmins():
            return Present(await db.fetchval(_ADMINS_READ_AT, site, message.space_id))
        case RecordGroupMembers():
            return Present(await db.fetchval(_GROUP_READ_AT, site, message.group_id))
        case SetLicence():
            return Present(await db.fetchval(_LICENCE_READ_AT, site))
        case SpaceChanged():
            return Present(await db.fetchval(_REMOVED_AT, site, message.space_id))
        case AppChanged():
            return Present(await db.fetchval(_INSTALLED_AT, site))
        case CancelApprovals():
            rows = await db.fetch(_OPEN, site, message.scope, message.after, message.scope_id, PAGES_AT_ONCE + 1)
            return Present(open=[(r["page_id"], r["run"]) for r in rows])
        case _:
            return Present()


_SET_ADMINS = """
    INSERT INTO directory.space (site_id, space_id, admins, admins_read_at) VALUES ($1, $2, $3::text[], $4)
    ON CONFLICT (site_id, space_id) DO UPDATE SET admins = excluded.admins, admins_read_at = excluded.admins_read_at
"""
_SET_GROUP = """
    INSERT INTO directory.member_group (site_id, group_id, read_at) VALUES ($1, $2, $3)
    ON CONFLICT (site_id, group_id) DO UPDATE SET read_at = excluded.read_at
"""
_DROP_MEMBERS = """
    DELETE FROM directory.group_member
     WHERE site_id = $1 AND group_id = $2 AND NOT account_id = ANY ($3::text[])
"""
_ADD_MEMBERS = """
    INSERT INTO directory.group_member (site_id, group_id, account_id) SELECT $1, $2, unnest($3::text[])
    ON CONFLICT DO NOTHING
"""
_SET_LICENCE = """
    INSERT INTO directory.site (site_id, licence_active, licence_read_at) VALUES ($1, $2, $3)
    ON CONFLICT (site_id) DO UPDATE SET licence_active = excluded.licence_active,
        licence_read_at = excluded.licence_read_at
"""
_REMOVE_SPACE = """
    INSERT INTO directory.space (site_id, space_id, removed_at) VALUES ($1, $2, $3)
    ON CONFLICT (site_id, space_id) DO UPDATE SET removed_at = excluded.removed_at
"""
_SET_INSTALLED = """
    INSERT INTO directory.site (site_id, installed, installed_at) VALUES ($1, $2, $3)
    ON CONFLICT (site_id) DO UPDATE SET installed = excluded.installed, installed_at = excluded.installed_at
"""


async def write_fact(db: Connection, message: SiteCommand | Fact) -> None:
    """Replace what is known by what this message says; commands that carry no facts write nothing."""
    site = message.site_id
    match message:
        case RecordSpaceAdmins():
            await db.execute(_SET_ADMINS, site, message.space_id, sorted(set(message.admins)), message.read_at)
        case RecordGroupMembers():
            members = sorted(set(message.members))
            await db.execute(_SET_GROUP, site, message.group_id, message.read_at)
            await db.execute(_DROP_MEMBERS, site, message.group_id, members)
            await db.execute(_ADD_MEMBERS, site, message.group_id, members)
        case SetLicence():
            await db.execute(_SET_LICENCE, site, message.active, message.read_at)
        case SpaceChanged():
            await db.execute(_REMOVE_SPACE, site, message.space_id, message.happened_at)
        case AppChanged():
            await db.execute(_SET_INSTALLED, site, message.change == "installed", message.happened_at)
        case _:
            pass


_ADD_OUTCOME = """
    INSERT INTO approvals.outcome (command_id, site_id, key, reason, version, event_type, event, follow_ups,
        decided_at, page_id) VALUES ($1, $2, $3, $4, $5, $6, $7::json, $8::json, $9, $10)
"""


async def write_outcome(db: Connection, o: Stored) -> None:
    """Keep one outcome.

    :raises asyncpg.UniqueViolationError: the command has one already.
    """
    row: tuple[Any, ...] = (o.command_id, o.site_id, o.key, o.reason, o.version, o.event_type, o.event, o.follow_ups,
                            o.decided_at, o.page_id)
    await db.execute(_ADD_OUTCOME, *row)
