"""No role may do more than its service's statements need, and none may do what another's statements write."""

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import asyncpg
import pytest
import pytest_asyncio

from tests.contract.test_sql import STATEMENTS, plan
from tests.stack import Database

_WRITES = re.compile(r"\b(INSERT INTO|UPDATE [a-z]+\.|DELETE FROM|FOR UPDATE|FOR SHARE|LOCK)\b|_month\(")
ROLES = sorted({role for role, _, _ in STATEMENTS})


class Grant(NamedTuple):
    """One right of one role; ``on`` is a table, one of its columns, a function or a schema, as REVOKE names it."""

    role: str
    right: str
    on: str


_GRANTS = """
    SELECT replace(r.rolname, 'approvalflow_', '') AS role, g.privilege_type || g.columns AS right, g.on FROM (
        SELECT (x).grantee, (x).privilege_type, '' AS columns, format('TABLE %I.%I', n.nspname, c.relname) AS on
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS x
        UNION ALL
        SELECT (x).grantee, (x).privilege_type, format(' (%I)', a.attname), format('TABLE %I.%I', n.nspname, c.relname)
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
               aclexplode(a.attacl) AS x
        UNION ALL
        SELECT (x).grantee, (x).privilege_type, '', format('FUNCTION %s', p.oid::regprocedure)
          FROM pg_proc p, aclexplode(p.proacl) AS x
        UNION ALL
        SELECT (x).grantee, (x).privilege_type, '', format('SCHEMA %I', n.nspname)
          FROM pg_namespace n, aclexplode(n.nspacl) AS x
    ) AS g JOIN pg_roles r ON r.oid = g.grantee WHERE r.rolname LIKE 'approvalflow\\_%' ORDER BY 1, 3, 2
"""


@pytest_asyncio.fixture(scope="module")
async def superuser(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn())
    yield connection
    await connection.close()


async def _refused(connection: asyncpg.Connection, role: str, statement: str) -> bool:
    """Does a role lack a right that the statement needs? What else may be wrong with it does not matter; nothing stays done."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"SET LOCAL ROLE approvalflow_{role}")
        await plan(connection, statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    finally:
        await transaction.rollback()
    return False


async def _needed(connection: asyncpg.Connection, grant: Grant) -> bool:
    """Would some statement of the role fail without it?"""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"REVOKE {grant.right} ON {grant.on} FROM approvalflow_{grant.role}")
        for text in [text for role, _, text in STATEMENTS if role == grant.role]:
            if await _refused(connection, grant.role, text):
                return True
        return False
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_has_no_right_that_no_statement_needs(superuser: asyncpg.Connection, role: str) -> None:
    """Each right is taken away in turn, and some statement must miss it."""
    grants = [Grant(*row) for row in await superuser.fetch(_GRANTS) if row["role"] == role]
    assert len(grants) > 5
    assert [grant for grant in grants if not await _needed(superuser, grant)] == []


async def test_a_right_that_no_statement_needs_is_found(superuser: asyncpg.Connection) -> None:
    transaction = superuser.transaction()
    await transaction.start()
    try:
        await superuser.execute("GRANT SELECT (salt) ON approvals.comment TO approvalflow_console")
        unused = Grant("console", "SELECT (salt)", "TABLE approvals.comment")
        assert unused in [Grant(*row) for row in await superuser.fetch(_GRANTS)]
        assert not await _needed(superuser, unused)
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("role", ROLES)
async def test_what_another_services_statements_write_a_role_cannot(superuser: asyncpg.Connection, role: str) -> None:
    own = {text for owner, _, text in STATEMENTS if owner == role}
    others = {(name, text) for owner, name, text in STATEMENTS if owner != role and text not in own and _WRITES.search(text)}
    assert len(others) > 10
    assert [name for name, text in others if not await _refused(superuser, role, text)] == []


_WORDS = [
    ("approvals.comment", "body", ["console"]), ("approvals.comment", "salt", []),
    ("approvals.quarantine", "value", ["decision"]), ("approvals.quarantine", "headers", ["decision"]),
    ("audit.quarantine", "value", ["audit_fanout"]), ("audit.quarantine", "headers", ["audit_fanout"]),
    ("command.connect_tenant", "encrypted_secret", ["command", "console"]),
    ("command.idempotency_key", "body_digest", ["command"]),
]


@pytest.mark.parametrize(("table", "column", "readers"), _WORDS)
async def test_words_and_secrets_are_read_by_few(superuser: asyncpg.Connection, table: str, column: str, readers: list[str]) -> None:
    assert [r for r in ROLES if not await _refused(superuser, r, f"SELECT {column} FROM {table}")] == readers
