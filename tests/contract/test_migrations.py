"""A migration locks nothing for long and takes nothing from the release before, so that it can be applied while that runs."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from pogo_core.migration import read_sql_migration

from shared import postgres as pg
from shared.postgres import SCHEMA
from tests.stack import Database
from tests.waiting import until

FILES = sorted(SCHEMA.glob("*.sql"))
SQUAWK = Path(sys.executable).with_name("squawk")
UNASKED = {
    "require-lock-timeout": "whoever migrates sets it for all of them",
    "require-statement-timeout": "it bounds work, and what is to be bounded is how long others wait: a lock's wait",
    "prefer-bigint-over-int": "partitions, versions and rounds of one page, milliseconds to none of them",
    "prefer-bigint-over-smallint": "steps of one workflow, of which there are at most a few",
}
"""Rules that are not asked here, and why."""
KNOWN = {
    ("20261126_01_grants", "adding-field-with-default"): "a virtual column is computed when it is read: nothing is rewritten",
}
"""What a migration does even so, and why that is no harm."""
NEVER_RELEASED = dict.fromkeys(("20261126_01_grants", "20261126_03_row_security"), "no release had the wider grants")
"""Migrations that may take something away, and why nobody misses it."""


def applied(path: Path) -> str:
    """What a migration does, without how it is undone."""
    return path.read_text().partition("-- migrate: rollback")[0]


def found(statements: str, unasked: Collection[str] = UNASKED) -> set[str]:
    """The rules that some statements break."""
    options = [f"--exclude={rule}" for rule in unasked]
    if "-- transaction: false" not in statements:
        options.append("--assume-in-transaction")
    done = subprocess.run(  # noqa: S603 - our own statements
        [SQUAWK, "--reporter=json", "--pg-version=18.0", "--stdin-filepath=migration.sql", *options],
        input=statements, capture_output=True, text=True, check=False,
    )
    return {one["rule_name"] for one in json.loads(done.stdout)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_migration_locks_nothing_for_long(path: Path) -> None:
    assert {rule for rule in found(applied(path)) if (path.stem, rule) not in KNOWN} == set()


def test_what_is_excused_is_done() -> None:
    """An excuse that nobody needs any more would cover for something else."""
    broken = {(path.stem, rule) for path in FILES for rule in found(applied(path), ())}
    assert broken >= KNOWN.keys()
    assert {rule for _, rule in broken} >= UNASKED.keys()


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE INDEX page_author ON approvals.page (author_id)", "require-concurrent-index-creation"),
        ("ALTER TABLE approvals.page ALTER COLUMN version TYPE bigint", "changing-column-type"),
        ("ALTER TABLE approvals.page ADD COLUMN mark uuid DEFAULT gen_random_uuid()", "adding-field-with-default"),
        ("ALTER TABLE approvals.page ADD COLUMN mark integer NOT NULL", "adding-required-field"),
        ("ALTER TABLE approvals.page ALTER COLUMN space_id SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TABLE approvals.page ADD CONSTRAINT some CHECK (version < 9)", "constraint-missing-not-valid"),
        ("ALTER TABLE approvals.page RENAME COLUMN status TO state_of_it", "renaming-column"),
        ("ALTER TABLE approvals.page RENAME TO pages", "renaming-table"),
        ("ALTER TABLE approvals.page DROP COLUMN status", "ban-drop-column"),
        ("DROP TABLE approvals.comment", "ban-drop-table"),
    ],
)
def test_what_would_lock_or_take_away_is_found(statement: str, rule: str) -> None:
    assert rule in found(f"{statement};")


COLUMN = """\
-- One more column.
-- depends: {depends}

-- migrate: apply
ALTER TABLE approvals.page ADD COLUMN mark integer;

-- migrate: rollback
ALTER TABLE approvals.page DROP COLUMN mark;
"""
CONCURRENT = """\
-- Authors are looked for.
-- depends: {depends}
-- transaction: false

-- migrate: apply
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS approvals.page_author;
CREATE INDEX CONCURRENTLY IF NOT EXISTS page_author ON approvals.page (author_id);
SET lock_timeout = '1s';

-- migrate: rollback
DROP INDEX approvals.page_author;
"""


_OURS = "('command', 'directory', 'approvals', 'audit', 'retention')"
_PROMISES = f"""
    SELECT 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN {_OURS} AND c.relkind IN ('r', 'p', 'v', 'c') AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure || ' returns ' || pg_get_function_result(p.oid)
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN {_OURS}
    UNION ALL
    SELECT 'grant ' || g.privilege_type || ' on ' || o.name || ' to ' || g.grantee::regrole
      FROM (SELECT c.oid::regclass::text AS name, c.relacl AS acl, c.relnamespace AS namespace FROM pg_class c
            UNION ALL SELECT a.attrelid::regclass || '.' || a.attname, a.attacl, c.relnamespace
              FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            UNION ALL SELECT p.oid::regprocedure::text, p.proacl, p.pronamespace FROM pg_proc p
            UNION ALL SELECT n.nspname, n.nspacl, n.oid FROM pg_namespace n) AS o
      JOIN pg_namespace n ON n.oid = o.namespace, aclexplode(o.acl) AS g
     WHERE n.nspname IN {_OURS} AND g.grantee <> 0
"""
"""What a release relies on: columns and their types, functions, and what its roles may do."""
_DEMANDS = f"""
    SELECT c.oid::regclass AS relation, 'a value in ' || a.attname AS demand
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN {_OURS} AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
    UNION ALL
    SELECT conrelid::regclass, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
     WHERE n.nspname IN {_OURS} AND conrelid <> 0 AND contype <> 'n'
    UNION ALL
    SELECT indrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN {_OURS} AND i.indisunique
"""
"""What a table asks of whoever writes to it."""


async def promises(db: asyncpg.Connection) -> set[str]:
    """What a release relies on."""
    return {row[0] for row in await db.fetch(_PROMISES)}


async def demands(db: asyncpg.Connection) -> dict[str, set[str]]:
    """What each table asks of whoever writes to it."""
    asked: dict[str, set[str]] = {}
    for row in await db.fetch(_DEMANDS):
        asked.setdefault(row["relation"], set()).add(row["demand"])
    return asked


async def losses(db: asyncpg.Connection, statements: list[str]) -> set[str]:
    """What the release before would miss or not satisfy, once these statements have run."""
    relied_on, asked = await promises(db), await demands(db)
    for statement in statements:
        await db.execute(statement)
    lost, after = relied_on - await promises(db), await demands(db)
    return lost | {f"{table} asks for {demand}" for table in asked for demand in after.get(table, set()) - asked[table]}


@pytest_asyncio.fixture
async def migrated(postgres: Database, template: str) -> AsyncIterator[Database]:
    """A database that a test may migrate further."""
    await postgres.drop("migrated")
    yield await postgres.create("migrated", template)
    await postgres.drop("migrated")


@pytest_asyncio.fixture
async def empty(postgres: Database) -> AsyncIterator[Database]:
    """A database without any schema of ours."""
    await postgres.drop("migrations")
    yield await postgres.create("migrations", "template1")
    await postgres.drop("migrations")


async def test_a_migration_only_adds(empty: Database) -> None:
    db = await asyncpg.connect(empty.dsn())
    try:
        lost = {path.stem: await losses(db, read_sql_migration(path)[5]) for path in FILES}
        assert len(await promises(db)) > 300
    finally:
        await db.close()
    assert {name: what for name, what in lost.items() if what and name not in NEVER_RELEASED} == {}
    assert all(lost[name] for name in NEVER_RELEASED)


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("ALTER TABLE approvals.page DROP COLUMN editor_id", "column approvals.page.editor_id text"),
        ("ALTER TABLE approvals.page RENAME COLUMN editor_id TO editor", "column approvals.page.editor_id text"),
        ("ALTER TABLE approvals.comment RENAME TO words", "column approvals.comment.body text"),
        ("ALTER TABLE approvals.page ALTER COLUMN version TYPE bigint", "column approvals.page.version integer"),
        ("ALTER TYPE approvals.page_write DROP ATTRIBUTE seats", "column approvals.page_write.seats bytea"),
        ("DROP FUNCTION audit.ensure_month", "function audit.ensure_month(timestamp with time zone) returns void"),
        ("REVOKE SELECT ON audit.entry FROM approvalflow_console", "grant SELECT on audit.entry to approvalflow_console"),
        ("ALTER TABLE approvals.page ADD COLUMN mark integer NOT NULL", "approvals.page asks for a value in mark"),
        ("ALTER TABLE approvals.page ADD CHECK (version < 9)", "approvals.page asks for CHECK ((version < 9))"),
        ("CREATE UNIQUE INDEX one_author ON approvals.page (author_id)",
         "approvals.page asks for CREATE UNIQUE INDEX one_author ON approvals.page USING btree (author_id)"),
    ],
)
async def test_what_takes_away_is_found(database: Database, statement: str, lost: str) -> None:
    db = await asyncpg.connect(database.dsn())
    transaction = db.transaction()
    await transaction.start()
    try:
        assert lost in await losses(db, [statement])
    finally:
        await transaction.rollback()
        await db.close()


async def test_what_only_adds_is_let_through(database: Database) -> None:
    db = await asyncpg.connect(database.dsn())
    transaction = db.transaction()
    await transaction.start()
    try:
        added = ["ALTER TABLE approvals.page ADD COLUMN mark integer", "CREATE TABLE approvals.more (id integer PRIMARY KEY)",
                 "GRANT SELECT ON approvals.more TO approvalflow_console", "CREATE INDEX page_mark ON approvals.page (mark)"]
        assert await losses(db, added) == set()
    finally:
        await transaction.rollback()
        await db.close()


def one_more(directory: Path, migration: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever migrates find one more migration, the last."""
    for path in FILES:
        shutil.copy(path, directory)
    (directory / f"{FILES[-1].stem}_more.sql").write_text(migration.format(depends=FILES[-1].stem))
    monkeypatch.setattr(pg, "SCHEMA", directory)


async def test_an_index_is_added_to_a_table_with_rows_as_the_page_about_upgrades_says(
    migrated: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert found(CONCURRENT.partition("-- migrate: rollback")[0]) == set()
    one_more(tmp_path, CONCURRENT, monkeypatch)
    await pg.migrate(migrated.dsn())
    db = await asyncpg.connect(migrated.dsn())
    assert await db.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'approvals.page_author'::regclass")
    await db.close()


async def test_a_migration_that_has_to_wait_makes_nobody_wait_behind_it(
    migrated: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a lock is waited for, everybody who comes later would wait too: it is given up soon, and asked for again."""
    one_more(tmp_path, COLUMN, monkeypatch)
    first, later = await asyncpg.connect(migrated.dsn()), await asyncpg.connect(migrated.dsn())
    holding = first.transaction()
    await holding.start()
    await first.execute("LOCK TABLE approvals.page IN ACCESS SHARE MODE")
    migrating = asyncio.create_task(pg.migrate(migrated.dsn()))
    try:
        async def waits() -> bool:
            return bool(await later.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"))

        await until(waits)
        await later.fetch("SELECT FROM approvals.page", timeout=30)
        assert not migrating.done()
        await holding.rollback()
        assert await migrating == len(FILES) + 1
        assert "mark" in re.findall(r"\w+", str(await promises(later)))
    finally:
        migrating.cancel()
        await first.close()
        await later.close()
