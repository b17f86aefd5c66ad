"""What is known beyond the pages: workflows, definitions, assignments, spaces, groups, licences."""

from collections.abc import Collection
from datetime import datetime

import asyncpg

from services.decision.domain.known import Directory, Needs
from services.decision.store.pages import Connection
from services.rules.state import Space, Workflow
from shared.contracts.workflow import Definition

Definitions = dict[tuple[str, str, int], Definition]
"""Definitions never change once written, so a process keeps those it has read."""
_KEPT = 10_000
"""Beyond so many, a process forgets all and begins anew: memory must not grow with the number of sites."""

_ASSIGNMENTS = """
    SELECT a.site_id, a.scope, a.scope_id, a.workflow_id
      FROM unnest($1::text[], $2::text[], $3::text[]) AS k (site_id, scope, scope_id)
      JOIN approvals.assignment a USING (site_id, scope, scope_id)
"""
_WORKFLOWS = """
    SELECT w.* FROM unnest($1::text[], $2::text[]) AS k (site_id, workflow_id)
      JOIN approvals.workflow w USING (site_id, workflow_id)
"""
_DEFINITIONS = """
    SELECT d.* FROM unnest($1::text[], $2::text[], $3::int[]) AS k (site_id, workflow_id, workflow_version)
      JOIN approvals.definition d USING (site_id, workflow_id, workflow_version)
"""
_SPACES = """
    SELECT s.* FROM unnest($1::text[], $2::text[]) AS k (site_id, space_id)
      JOIN directory.space s USING (site_id, space_id)
"""
_GROUPS = """
    SELECT k.site_id, k.account_id, g.group_id, g.read_at
      FROM unnest($1::text[], $2::text[]) AS k (site_id, account_id)
      JOIN directory.group_member m USING (site_id, account_id)
      JOIN directory.member_group g USING (site_id, group_id)
"""
_LICENCES = "SELECT site_id, licence_active FROM directory.site WHERE site_id = ANY ($1::text[])"


async def load(db: Connection, needs: Needs, cache: Definitions) -> Directory:
    """Load what is needed, each kind with one query, and none for a kind that is not."""
    assignments = {
        (r["site_id"], r["scope"], r["scope_id"]): r["workflow_id"]
        for r in await _each(db, _ASSIGNMENTS, needs.assignments, 3)
    }
    wanted = needs.workflows | {(site, workflow) for (site, _, _), workflow in assignments.items()}
    workflows = {(r["site_id"], r["workflow_id"]): _workflow(r) for r in await _each(db, _WORKFLOWS, wanted, 2)}
    definitions = needs.definitions | {(w.site_id, w.workflow_id, w.workflow_version) for w in workflows.values()}
    named = {key: cache[key] for key in definitions & cache.keys()}
    if missing := definitions - named.keys():
        read = await _read_definitions(db, missing)
        named |= read
        if len(cache) > _KEPT:  # others hold what they took from it
            cache.clear()
        cache |= read
    grouped = any(a.kind == "group" for d in named.values() for s in d.steps for a in s.approvers)
    groups: dict[tuple[str, str], list[tuple[str, datetime]]] = {}
    for r in await _each(db, _GROUPS, needs.members if grouped else set(), 2):
        groups.setdefault((r["site_id"], r["account_id"]), []).append((r["group_id"], r["read_at"]))
    spaces = {(r["site_id"], r["space_id"]): _space(r) for r in await _each(db, _SPACES, needs.spaces, 2)}
    licences = {}
    if needs.licences:
        licences = {r["site_id"]: bool(r["licence_active"]) for r in await db.fetch(_LICENCES, list(needs.licences))}
    return Directory(named, workflows, assignments, spaces, {k: tuple(v) for k, v in groups.items()}, licences)


async def _each(db: Connection, sql: str, keys: Collection[tuple[str, ...]], width: int) -> list[asyncpg.Record]:
    if not keys:
        return []
    rows: list[asyncpg.Record] = await db.fetch(sql, *([key[i] for key in keys] for i in range(width)))
    return rows


async def _read_definitions(db: Connection, missing: Collection[tuple[str, str, int]]) -> Definitions:
    rows = await db.fetch(_DEFINITIONS, *([key[i] for key in missing] for i in range(3)))
    return {(r["site_id"], r["workflow_id"], r["workflow_version"]): Definition.model_validate_json(r["body"]) for r in rows}


def _workflow(r: asyncpg.Record) -> Workflow:
    return Workflow(
        r["site_id"], r["workflow_id"], r["version"], r["workflow_version"], r["space_id"], r["archived"],
        frozenset(r["owners"]), r["owners_read_at"],
    )


def _space(r: asyncpg.Record) -> Space:
    return Space(r["removed_at"], frozenset(r["admins"]), r["admins_read_at"])
