"""Who answers people sees one site's rows, whatever the statement says: what may be read is not left to its WHERE."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from services.command.database import Database as CommandDatabase
from shared.postgres import across_sites, connect_pool, for_site
from tests.builders import NOON
from tests.integration.console_data import ONE, TWO, Data
from tests.stack import Database

_TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relispartition AS partition,
        EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'site_id') AS by_site
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('command', 'directory', 'approvals', 'audit', 'retention') AND c.relkind IN ('r', 'p') ORDER BY 1
"""
_READABLE = "SELECT has_any_column_privilege($1, $2, 'SELECT')"
OPEN = {"command": {"command.connect_tenant", "command.idempotency_key"}, "console": {"command.connect_tenant"}}
"""What a role looks up before it knows the site, or for several at once."""
CONFINED = sorted(OPEN)


async def _fill(data: Data, owner: asyncpg.Connection, site: str) -> None:
    """A row of the site in each table."""
    await data.space(NOON, ["ann"], site=site)
    await data.group(NOON, ["ann"], site=site)
    await data.workflow(site=site)
    await data.assign("space", "10", site=site)
    await data.page(site=site)
    await data.former(site=site)
    command = await data.outcome(site=site)
    await data.accepted(site)
    await owner.execute("INSERT INTO directory.site (site_id) VALUES ($1)", site)
    await owner.execute("INSERT INTO approvals.comment VALUES ($1, $2, 'ann', 'salt', 'words')", command, site)
    await owner.execute("INSERT INTO command.connect_tenant VALUES ($1, $1, '', '', true)", site)
    await owner.execute("INSERT INTO retention.policy VALUES ($1, 'comments', 9)", site)
    await owner.execute("INSERT INTO retention.hold VALUES ($1, '', 'why', 'olga')", site)
    await owner.execute("INSERT INTO retention.run (run_id, site_id, kind, before) VALUES ($1, $2, 'comments', now())", uuid4(), site)


@pytest_asyncio.fixture(scope="module")
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The superuser, where two sites have rows in every table."""
    connection = await asyncpg.connect(database.dsn())
    data = Data(connection)
    for site in (ONE, TWO):
        await _fill(data, connection, site)
    await data.entries({"site_id": ONE}, {"site_id": TWO})
    yield connection
    await connection.close()


async def _by_site(owner: asyncpg.Connection) -> list[str]:
    return [row["name"] for row in await owner.fetch(_TABLES) if row["by_site"] and not row["partition"]]


@asynccontextmanager
async def _as_role(owner: asyncpg.Connection, role: str, site: str | None = None) -> AsyncIterator[None]:
    """Whatever the role is granted, it is granted all here: what is left are the policies. Nothing stays done."""
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute(f"""
            GRANT USAGE ON SCHEMA command, directory, approvals, audit, retention TO approvalflow_{role};
            GRANT ALL ON ALL TABLES IN SCHEMA command, directory, approvals, audit, retention TO approvalflow_{role};
            SET LOCAL ROLE approvalflow_{role};
        """)
        if site is not None:
            await owner.execute("SELECT set_config('approvalflow.site', $1, true)", site)
        yield
    finally:
        await transaction.rollback()


async def _seen(owner: asyncpg.Connection, table: str) -> set[str]:
    """The sites of all rows that are shown."""
    return {row["site_id"] for row in await owner.fetch(f"SELECT site_id FROM {table}")}


async def test_every_table_has_rows_of_both_sites(owner: asyncpg.Connection) -> None:
    """A new table that nobody fills here would pass for one that shows nothing."""
    tables = await _by_site(owner)
    assert len(tables) > 15
    assert [name for name in tables if await _seen(owner, name) != {ONE, TWO}] == []


@pytest.mark.parametrize("site", [None, ""])
@pytest.mark.parametrize("role", CONFINED)
async def test_without_a_site_nothing_is_shown(owner: asyncpg.Connection, role: str, site: str | None) -> None:
    async with _as_role(owner, role, site):
        assert {name for name in await _by_site(owner) if await _seen(owner, name)} == OPEN[role]


@pytest.mark.parametrize("site", [ONE, TWO])
@pytest.mark.parametrize("role", CONFINED)
async def test_a_query_that_names_no_site_shows_only_its_own(owner: asyncpg.Connection, role: str, site: str) -> None:
    async with _as_role(owner, role, site):
        shown = {name: await _seen(owner, name) for name in await _by_site(owner)}
    assert {name for name, sites in shown.items() if sites != {site}} == OPEN[role]


@pytest.mark.parametrize("role", CONFINED)
async def test_another_sites_rows_cannot_be_written(owner: asyncpg.Connection, role: str) -> None:
    for name in set(await _by_site(owner)) - OPEN[role]:
        async with _as_role(owner, role, ONE):
            assert await owner.fetch(f"UPDATE {name} SET site_id = site_id WHERE site_id = $1 RETURNING 1", TWO) == []
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await owner.execute(f"UPDATE {name} SET site_id = $1", TWO)


@pytest.mark.parametrize("role", ["operator", "decision", "audit_fanout", "retention"])
async def test_who_works_for_all_sites_sees_all(owner: asyncpg.Connection, role: str) -> None:
    async with _as_role(owner, role):
        assert [name for name in await _by_site(owner) if await _seen(owner, name) != {ONE, TWO}] == []


@pytest.mark.parametrize("role", CONFINED)
async def test_what_is_not_kept_by_site_is_not_read(owner: asyncpg.Connection, role: str) -> None:
    """Nor are partitions, which the policies of their table do not cover."""
    others = [row["name"] for row in await owner.fetch(_TABLES) if row["partition"] or not row["by_site"]]
    assert len(others) > 5
    assert [name for name in others if await owner.fetchval(_READABLE, f"approvalflow_{role}", name)] == []


@pytest_asyncio.fixture
async def console(database: Database, owner: asyncpg.Connection) -> AsyncIterator[asyncpg.Pool]:
    """One connection of the console's, so that whoever comes later has the same."""
    pool = await connect_pool(database.dsn("console"), 1, "test")
    yield pool
    await pool.close()


_ALL = "SELECT site_id FROM approvals.page ORDER BY 1"
_NOW = "SELECT current_user || ':' || coalesce(current_setting('approvalflow.site', true), '')"


async def test_a_read_leaves_nothing_behind(console: asyncpg.Pool) -> None:
    assert await for_site(console, TWO).fetchval(_ALL) == TWO
    assert (await console.fetchval(_NOW), await console.fetch(_ALL)) == ("approvalflow_console:", [])
    assert [row["site_id"] for row in await across_sites(console).fetch(_ALL)] == [ONE, TWO]
    assert (await console.fetchval(_NOW), await console.fetch(_ALL)) == ("approvalflow_console:", [])


async def test_nor_does_one_that_fails(console: asyncpg.Pool) -> None:
    for reads in (for_site(console, TWO), across_sites(console)):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await reads.fetch("SELECT 1 / 0")
        assert (await console.fetchval(_NOW), await console.fetch(_ALL)) == ("approvalflow_console:", [])


async def test_it_can_write_nothing_whoever_it_reads_as(console: asyncpg.Pool) -> None:
    for reads in (for_site(console, ONE), across_sites(console)):
        with pytest.raises((asyncpg.ReadOnlySQLTransactionError, asyncpg.InsufficientPrivilegeError)):
            await reads.fetch("UPDATE approvals.page SET version = 9")


async def test_what_guards_a_command_leaves_nothing_behind_either(database: Database, owner: asyncpg.Connection) -> None:
    pool = await connect_pool(database.dsn("command"), 1, "test")
    guard = CommandDatabase(pool, 10.0, 1.0)
    try:
        async with guard.connection(TWO) as db:
            assert [row["site_id"] for row in await db.fetch(_ALL)] == [TWO]
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with guard.connection(TWO) as db:
                await db.fetch("SELECT 1 / 0")
        for _ in range(2):
            async with guard.connection() as db:
                assert (await db.fetchval(_NOW), await db.fetch(_ALL)) == ("approvalflow_command:", [])
            async with guard.connection(ONE) as db:
                assert [row["site_id"] for row in await db.fetch(_ALL)] == [ONE]
    finally:
        await pool.close()
