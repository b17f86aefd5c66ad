"""How PostgreSQL finds what the pages for owners and space admins show, where there is much of everything."""

import re

import asyncpg

from services.console.store import reports, workflows
from tests.stack import Database

_FILL = (
    "SELECT audit.ensure_month('2026-11-02')",
    """INSERT INTO approvals.page (site_id, page_id, version, space_id, run, workflow_id, workflow_version, approved_version, status, step,
           round, approvals, seats, submitted_at)
       SELECT 'site-' || n % 20, n, 1, n % 50, 1, 'wf-' || n % 40, 1, 1, CASE WHEN n % 3 = 0 THEN 'open' ELSE 'approved' END, 0, 1, 0, '',
           '2026-11-02' FROM generate_series(1, 30000) n""",
    """INSERT INTO audit.entry (partition, position, event_id, site_id, page_id, space_id, workflow_id, event_type, occurred_at, body, hash)
       SELECT 0, n, gen_random_uuid(), 'site-' || n % 20, n, n % 50, 'wf-' || n % 40, 'approvalflow.event.decision-recorded.v1',
           '2026-11-02'::timestamptz + n * interval '1 minute', '{}', decode(repeat('00', 32), 'hex') FROM generate_series(1, 30000) n""",
    """INSERT INTO approvals.workflow (site_id, workflow_id, version, workflow_version, space_id, owners)
       SELECT 'site-' || n % 20, 'wf-' || n, 1, 1, n % 50, '{olga}' FROM generate_series(1, 20000) n""",
    """INSERT INTO approvals.definition SELECT site_id, workflow_id, 1, '{"name": "n", "steps": []}' FROM approvals.workflow""",
    """INSERT INTO approvals.former_approval SELECT site_id, page_id, run, workflow_id, 1, 1, 'approved', 0, 1, submitted_at, submitted_at
       FROM approvals.page""",
    """INSERT INTO approvals.outcome (command_id, site_id, key, version, event_type, event, decided_at)
       SELECT gen_random_uuid(), 'site-' || n % 20, 'site-' || n % 20 || ':wf-' || n, 1, 'approvalflow.event.workflow-event.v1', '{}',
           '2026-11-02' FROM generate_series(1, 20000) n""",
    """INSERT INTO approvals.assignment SELECT site_id, 'page', workflow_id, workflow_id FROM approvals.workflow""",
    """INSERT INTO directory.space (site_id, space_id, admins, admins_read_at)
       SELECT 'site-' || n % 20, n, '{dave}', now() FROM generate_series(100, 20000) n""",
    """INSERT INTO directory.member_group SELECT 'site-' || n % 20, 'g' || n, now() FROM generate_series(1, 20000) n""",
    """INSERT INTO directory.group_member SELECT site_id, group_id, 'ann' FROM directory.member_group""",
    "ANALYZE",
)
_SITE = ("'site-1'",)
_STATEMENTS = {
    "listed": (workflows._LISTED, (*_SITE, "'dave'", "NULL", "false", "''", "''", "51")),
    "administered": (workflows._ADMINISTERED, (*_SITE, "'dave'", "now()")),
    "owned": (workflows._OWNED, (*_SITE, "'olga'", "now()")),
    "history": (workflows._HISTORY, (*_SITE, "'wf-1'", "100")),
    "definitions": (workflows._DEFINITIONS, (*_SITE, "'wf-1'", "'{1,2}'")),
    "open": (workflows._OPEN, (*_SITE, "'wf-1'", "1000")),
    "in_use": (workflows._IN_USE, (*_SITE, "'10'")),
    "crowds": (workflows._CROWDS, (*_SITE, "'{g1,g21}'", "500")),
    **{
        f"{name}_{by}": (table[by], (*_SITE, {"space_id": "'1'", "workflow_id": "'wf-1'"}[by], *rest))
        for by in ("space_id", "workflow_id")
        for name, table, rest in (
            ("oldest", reports._OLDEST, ("'2026-11-02'", "'2026-11-30'", "20000")),
            ("ended", reports._ENDED, ("NULL", "'2026-11-02'", "'2026-11-30'")),
            ("refused", reports._REFUSED, ("NULL", "'2026-11-02'", "'2026-11-30'")),
            ("waiting", reports._WAITING, ("NULL", "10000", "now()", "now()", "50")),
        )
    },
}


async def read_whole(connection: asyncpg.Connection, text: str, *given: str) -> list[str]:
    """The tables that a statement would read from end to end."""
    asked = re.sub(r"\$([0-9])", lambda place: given[int(place[1]) - 1], text)
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {asked}"))
    return re.findall(r"Seq Scan on (\w+)", plan)


async def test_every_statement_finds_its_rows_by_an_index(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn())
    try:
        for statement in _FILL:
            await connection.execute(statement)
        await connection.execute("SET ROLE approvalflow_console; SET approvalflow.site = 'site-1'")  # its policies are part of the plan
        found = {name: await read_whole(connection, text, *given) for name, (text, given) in _STATEMENTS.items()}
        assert {name: tables for name, tables in found.items() if tables} == {}
        await connection.execute("RESET ROLE")
        assert await read_whole(connection, "SELECT FROM approvals.page WHERE author_id = 'ann'") == ["page"]
    finally:
        await connection.close()
