"""Every statement that services run is one the schema knows, and one their own role may run."""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping

import asyncpg
import pytest

from shared.postgres import connect_across_sites
from tests.contract.sources import SERVICES, calls, files, module, tree
from tests.stack import Database

_STATEMENT = re.compile(r"\s*(?:--.*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|LOCK|TRUNCATE|CALL)\b")
_ABOUT_TABLES = re.compile(_STATEMENT.pattern + r"[\s\S]*\b(command|directory|approvals|audit|retention)\.\w")
_EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE")
_RUN = {"fetch", "fetchrow", "fetchval", "execute", "executemany", "cursor", "prepare"}
AS_ANOTHER = {
    "services.local.quarantine": ("operator",), "services.audit_fanout.store.proof": ("audit_fanout", "operator"),
    "services.known.store": ("command", "console"),
    **{f"services.console.store.{name}": ("operator",) for name in ("chains", "operations", "quarantine", "retention", "sites")},
}
"""What operators see or run by hand is read as the role that sees every site; what several services read, as each of them."""
ON_ITS_OWN = "services.local."
"""What runs the services on one machine judges what they wrote, so it may not use their statements; it is the superuser."""


def _store(name: str) -> bool:
    return name in AS_ANOTHER or name.split(".")[2:3] == ["store"]


def _roles(name: str) -> tuple[str, ...]:
    return AS_ANOTHER.get(name) or (name.split(".")[1],)


def _statements() -> Iterator[tuple[str, str, str]]:
    """Role, name and text of every constant that is a statement, or a table of them."""
    for name in map(module, files("services")):
        for constant, value in vars(importlib.import_module(name)).items() if _store(name) else ():
            if constant.startswith("_") and not constant.startswith("__"):
                for text in [value] if isinstance(value, str) else value.values() if isinstance(value, Mapping) else ():
                    if isinstance(text, str) and _STATEMENT.match(text):
                        yield from ((role, f"{name}.{constant}", text) for role in _roles(name))


STATEMENTS = list(_statements())


def test_every_service_has_statements() -> None:
    assert {role for role, _, _ in STATEMENTS} >= set(SERVICES)


@pytest.mark.parametrize("role", sorted({role for role, _, _ in STATEMENTS}))
async def test_each_statement_is_prepared_and_planned_as_its_own_role(database: Database, role: str) -> None:
    """Planning checks what the role may do, which preparing does not; what cannot be planned is run, and undone."""
    connection = await connected(database, role)
    failed = {}
    try:
        for name, text in [(name, text) for owner, name, text in STATEMENTS if owner == role]:
            try:
                await connection.prepare(text)
                await plan(connection, text)
            except asyncpg.PostgresError as error:
                failed[name] = f"{type(error).__name__}: {error}"
    finally:
        await connection.close()
    assert failed == {}


async def connected(database: Database, role: str) -> asyncpg.Connection:
    """A connection of this role; nobody logs in as the operators' role, which the console takes on."""
    return await (connect_across_sites(database.dsn("console")) if role == "operator" else asyncpg.connect(database.dsn(role)))


async def plan(connection: asyncpg.Connection, text: str) -> None:
    word = _STATEMENT.match(text)
    transaction = connection.transaction()
    await transaction.start()
    try:
        # Without arguments this goes as a simple query, in which parameters may stay open.
        await connection.execute(f"EXPLAIN (GENERIC_PLAN) {text}" if word and word[1] in _EXPLAINED else text)
    finally:
        await transaction.rollback()


def test_statements_are_in_stores_only() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path in files("services") if not _store(module(path)) and not module(path).startswith(ON_ITS_OWN)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ABOUT_TABLES.match(node.value)
    ]
    assert found == [], "SQL belongs in the service's store"


def test_what_is_run_is_always_a_named_statement() -> None:
    """So that none escapes the tests above."""
    found = [
        f"{path}:{call.lineno}"
        for path in files("services") for call, name in calls(path) if name in _RUN and call.args
        for node in ast.walk(call.args[0])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ABOUT_TABLES.match(node.value)
    ]
    assert found == []


FORBIDDEN = [
    ("command", "INSERT INTO approvals.page (site_id, page_id, version) VALUES ('s', 'p', 1)"),
    ("command", "UPDATE approvals.page SET version = 2"),
    ("command", "DELETE FROM approvals.outcome"),
    ("command", "UPDATE directory.site SET licence_active = true"),
    ("command", "INSERT INTO directory.group_member VALUES ('s', 'g', 'a')"),
    ("command", "DELETE FROM command.idempotency_key"),
    ("command", "SELECT FROM audit.entry"),
    ("decision", "SELECT FROM audit.entry"),
    ("decision", "DELETE FROM audit.entry"),
    ("decision", "INSERT INTO audit.checkpoint VALUES (1, '{}', '')"),
    ("decision", "UPDATE approvals.outcome SET reason = NULL"),
    ("decision", "DELETE FROM approvals.outcome"),
    ("decision", "UPDATE approvals.definition SET body = '{}'"),
    ("decision", "DELETE FROM approvals.definition"),
    ("decision", "SELECT FROM command.connect_tenant"),
    ("decision", "DELETE FROM retention.hold"),
    ("audit_fanout", "UPDATE audit.entry SET body = ''"),
    ("audit_fanout", "UPDATE audit.entry SET actor_id = NULL"),
    ("audit_fanout", "DELETE FROM audit.entry"),
    ("audit_fanout", "TRUNCATE audit.entry"),
    ("audit_fanout", "DELETE FROM audit.head"),
    ("audit_fanout", "UPDATE audit.checkpoint SET body = ''"),
    ("audit_fanout", "DELETE FROM audit.checkpoint"),
    ("audit_fanout", "DELETE FROM audit.quarantine"),
    ("audit_fanout", "UPDATE audit.quarantine SET value = ''"),
    ("audit_fanout", "INSERT INTO audit.removed VALUES (0, 1, 1, '', '', NULL)"),
    ("audit_fanout", "SELECT audit.drop_month(now())"),
    ("audit_fanout", "SELECT FROM approvals.comment"),
    ("audit_fanout", "SELECT removed FROM retention.run"),
    ("audit_fanout", "SELECT FROM retention.hold"),
    ("retention", "UPDATE audit.entry SET body = ''"),
    ("retention", "INSERT INTO audit.entry (partition) VALUES (0)"),
    ("retention", "UPDATE audit.head SET position = 1"),
    ("retention", "DELETE FROM audit.checkpoint"),
    ("retention", "DELETE FROM audit.removed"),
    ("retention", "UPDATE audit.removed SET hash = ''"),
    ("retention", "SELECT audit.ensure_month(now())"),
    ("retention", "DELETE FROM approvals.page"),
    ("retention", "UPDATE approvals.outcome SET reason = NULL"),
    ("retention", "INSERT INTO approvals.comment (command_id) VALUES (NULL)"),
    ("retention", "SELECT FROM command.connect_tenant"),
    ("console", "SELECT body_digest FROM command.idempotency_key"),
    ("console", "SELECT audit.drop_month(now())"),
    ("console", "SELECT audit.ensure_month(now())"),
    ("console", "SELECT FROM approvals.quarantine"),
    ("console", "SELECT FROM audit.head"),
    ("console", "SELECT FROM retention.run"),
    ("operator", "SELECT FROM approvals.comment"),
    ("operator", "SELECT value FROM approvals.quarantine"),
    ("operator", "SELECT FROM command.connect_tenant"),
]


async def _refused(database: Database, role: str, statement: str) -> bool:
    connection = await connected(database, role)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    finally:
        await transaction.rollback()
        await connection.close()
    return False


@pytest.mark.parametrize(("role", "statement"), FORBIDDEN)
async def test_what_a_role_must_not_do_it_cannot(database: Database, role: str, statement: str) -> None:
    assert await _refused(database, role, statement)


@pytest.mark.parametrize("role", ["command", "decision", "audit_fanout", "retention", "console"])
async def test_no_role_may_change_what_there_is(database: Database, role: str) -> None:
    for statement in (
        "CREATE SCHEMA mine", "CREATE TABLE approvals.mine ()", "CREATE TABLE public.mine ()", "DROP TABLE audit.entry",
        "ALTER TABLE audit.entry DROP COLUMN hash", "SET ROLE postgres", "SELECT FROM pg_authid",
        "CREATE ROLE mine", "SET ROLE approvalflow_" + ("command" if role == "decision" else "decision"),
    ):
        assert await _refused(database, role, statement), statement


@pytest.mark.parametrize("role", ["console", "operator"])
async def test_the_console_can_write_nothing(database: Database, role: str) -> None:
    connection = await asyncpg.connect(database.dsn())
    tables = await connection.fetch(
        "SELECT format('%I.%I', table_schema, table_name) AS name, min(quote_ident(column_name)) AS one"
        " FROM information_schema.columns WHERE table_schema = ANY ($1::text[]) GROUP BY 1",
        ["command", "directory", "approvals", "audit", "retention"],
    )
    await connection.close()
    assert len(tables) > 20
    for table in tables:
        for statement in (
            f"INSERT INTO {table['name']} DEFAULT VALUES", f"DELETE FROM {table['name']}", f"TRUNCATE {table['name']}",
            f"UPDATE {table['name']} SET {table['one']} = NULL",
        ):
            assert await _refused(database, role, statement), statement
