"""Workflows of a site: which there are, what each version said, and whom the directory knows behind their approvers."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import orjson

from services.console.domain.approvals import Happening
from services.console.domain.outlook import Crowd
from services.rules.state import Known, Space, Workflow
from shared.contracts.workflow import Definition
from shared.postgres import Reading

Place = tuple[str, str]
"""The space and the id of a workflow, by which a listing is in order; ``('', '')`` is before all."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A workflow in a list. ``pages`` counts the pages it is assigned to, up to 1000; ``known`` is what its guard looks at."""

    workflow: Workflow
    name: str
    steps: list[str]
    whole_space: bool
    pages: int
    known: Known


_LISTED = """
SELECT w.workflow_id, w.version, w.workflow_version, w.space_id, w.archived, w.owners, w.owners_read_at,
    d.body ->> 'name' AS name, ARRAY(SELECT step ->> 'name' FROM json_array_elements(d.body -> 'steps') AS step) AS steps,
    EXISTS (
        SELECT FROM approvals.assignment a
        WHERE a.site_id = $1 AND a.scope = 'space' AND a.scope_id = w.space_id AND a.workflow_id = w.workflow_id
    ) AS whole_space,
    (SELECT count(*) FROM (
        SELECT FROM approvals.assignment a
        WHERE a.site_id = $1 AND a.workflow_id = w.workflow_id AND a.scope = 'page' LIMIT 1000
    ) a) AS pages,
    s.removed_at, s.admins_read_at, coalesce($2 = ANY (s.admins), false) AS admin
FROM approvals.workflow w JOIN approvals.definition d USING (site_id, workflow_id, workflow_version)
LEFT JOIN directory.space s USING (site_id, space_id)
WHERE site_id = $1 AND ($3::text IS NULL OR w.space_id = $3) AND ($4 OR NOT w.archived)
    AND (w.space_id, w.workflow_id) > ($5::text, $6::text)
ORDER BY w.space_id, w.workflow_id LIMIT $7
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which workflows of whose site: those of one space (None: of all), perhaps with the archived ones."""

    site_id: str
    account_id: str
    oldest: datetime
    space_id: str | None
    archived: bool


async def listed(db: Reading, asked: Asked, after: Place, limit: int) -> list[Listed]:
    """They by space, from behind ``after`` on."""
    rows = await db.fetch(_LISTED, asked.site_id, asked.account_id, asked.space_id, asked.archived, *after, limit)
    return [_listed(row, asked) for row in rows]


def _listed(row: asyncpg.Record, asked: Asked) -> Listed:
    workflow = Workflow(
        asked.site_id, row["workflow_id"], row["version"], row["workflow_version"], row["space_id"], row["archived"],
        frozenset(row["owners"]), row["owners_read_at"],
    )
    admins = frozenset({asked.account_id} if row["admin"] else ())
    known = Known(asked.oldest, Space(row["removed_at"], admins, row["admins_read_at"]), workflow=workflow)
    return Listed(workflow, row["name"], row["steps"], row["whole_space"], row["pages"], known)


_ADMINISTERED = """
SELECT space_id FROM directory.space
WHERE site_id = $1 AND $2 = ANY (admins) AND admins_read_at >= $3 AND removed_at IS NULL ORDER BY space_id LIMIT 200
"""


async def administered(db: Reading, site_id: str, account_id: str, oldest: datetime) -> list[str]:
    """The first 200 spaces that this person administers, by facts read since ``oldest``."""
    return [row["space_id"] for row in await db.fetch(_ADMINISTERED, site_id, account_id, oldest)]


_OWNED = """
SELECT workflow_id, d.body ->> 'name' AS name
FROM approvals.workflow w JOIN approvals.definition d USING (site_id, workflow_id, workflow_version)
WHERE site_id = $1 AND $2 = ANY (w.owners) AND (w.owners_read_at IS NULL OR w.owners_read_at >= $3) ORDER BY workflow_id LIMIT 200
"""


async def owned(db: Reading, site_id: str, account_id: str, oldest: datetime) -> dict[str, str]:
    """The first 200 workflows that this person owns, by facts read since ``oldest``: their ids and names."""
    return {row["workflow_id"]: row["name"] for row in await db.fetch(_OWNED, site_id, account_id, oldest)}


# Every applied command of a workflow has the next version, so the index that prevents two of one version finds them in order.
_HISTORY = """
SELECT o.event_type, o.event::text AS event, o.decided_at FROM approvals.outcome o
WHERE o.site_id = $1 AND o.key = $1 || ':' || $2 AND o.reason IS NULL AND o.version > 0
    AND o.event_type = 'approvalflow.event.workflow-event.v1'
ORDER BY o.version DESC LIMIT $3
"""


async def history(db: Reading, site_id: str, workflow_id: str, limit: int) -> list[Happening]:
    """The last that happened to a workflow, newest first."""
    rows = await db.fetch(_HISTORY, site_id, workflow_id, limit)
    return [Happening(row["event_type"], row["decided_at"], orjson.loads(row["event"]), None) for row in rows]


_DEFINITIONS = """
SELECT workflow_version, body::text AS body FROM approvals.definition
WHERE site_id = $1 AND workflow_id = $2 AND workflow_version = ANY ($3::integer[])
"""


async def definitions(db: Reading, site_id: str, workflow_id: str, versions: Collection[int]) -> dict[int, Definition]:
    """What these versions of a workflow said, where there are such."""
    rows = await db.fetch(_DEFINITIONS, site_id, workflow_id, list(versions))
    return {row["workflow_version"]: Definition.model_validate_json(row["body"]) for row in rows}


_OPEN = """
SELECT count(*) FROM (
    SELECT FROM approvals.page WHERE site_id = $1 AND workflow_id = $2 AND status = 'open' LIMIT $3
) p
"""


async def open_approvals(db: Reading, site_id: str, workflow_id: str, limit: int) -> int:
    """How many open approvals follow this workflow, counted up to ``limit``."""
    return int(await db.fetchval(_OPEN, site_id, workflow_id, limit))


_IN_USE = "SELECT workflow_id FROM approvals.assignment WHERE site_id = $1 AND scope = 'space' AND scope_id = $2"


async def in_use(db: Reading, site_id: str, space_id: str) -> str | None:
    """The workflow that is assigned to a space."""
    found: str | None = await db.fetchval(_IN_USE, site_id, space_id)
    return found


_CROWDS = """
SELECT g.group_id, g.read_at, ARRAY(
    SELECT m.account_id FROM directory.group_member m
    WHERE m.site_id = $1 AND m.group_id = g.group_id ORDER BY m.account_id LIMIT $3
) AS people
FROM directory.member_group g WHERE g.site_id = $1 AND g.group_id = ANY ($2::text[])
"""


async def crowds(db: Reading, site_id: str, groups: Collection[str], limit: int) -> dict[str, Crowd]:
    """Who is in these groups, up to ``limit`` of each, where the directory knows them."""
    rows = await db.fetch(_CROWDS, site_id, list(groups), limit)
    return {row["group_id"]: Crowd(row["read_at"], frozenset(row["people"]), len(row["people"]) == limit) for row in rows}
