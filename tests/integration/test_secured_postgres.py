"""A database that speaks only TLS, and knows each role by its password."""

import os
import ssl
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from services.local import maven
from shared import postgres as pg
from shared.postgres import connect_pool
from tests.certificates import Authority
from tests.contract.sources import SERVICES
from tests.integration.secured_postgres import SecuredPostgres

pytestmark = pytest.mark.skipif(
    bool(maven.missing()) and not os.environ.get("APPROVALFLOW_REQUIRE_KAFKA"),
    reason="NOT PROVED HERE: a PostgreSQL that knows TLS is fetched by Maven",
)


@pytest_asyncio.fixture(scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredPostgres]:
    """A database that lets nobody in without TLS and a password."""
    server = SecuredPostgres(tmp_path_factory.mktemp("secured"))
    try:
        await server.start(tuple(SERVICES))
        yield server
    finally:
        await server.stop()


async def who(dsn: str) -> tuple[str, bool]:
    """The role that a pool connects as, and whether over TLS."""
    async with await connect_pool(dsn, 1, "test") as pool:
        row = await pool.fetchrow("SELECT current_user::text, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert row is not None
        return row["current_user"], row["ssl"]


@pytest.mark.parametrize("role", SERVICES)
async def test_each_role_is_let_in_by_its_own_password_over_tls(secured: SecuredPostgres, role: str) -> None:
    assert await who(secured.dsn(role)) == (f"approvalflow_{role}", True)


async def test_migrations_go_over_tls(secured: SecuredPostgres) -> None:
    assert await pg.migrate(secured.dsn("postgres")) == len(list(pg.SCHEMA.glob("*.sql")))


async def test_a_server_that_another_authority_vouches_for_is_not_spoken_to(
    secured: SecuredPostgres, tmp_path_factory: pytest.TempPathFactory,
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await who(secured.dsn("decision", sslrootcert=str(other.file)))


async def test_a_server_under_another_name_is_not_spoken_to(secured: SecuredPostgres) -> None:
    assert await who(secured.dsn("decision", host="localhost", sslmode="verify-ca"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await who(secured.dsn("decision", host="localhost"))


async def test_nobody_is_let_in_without_tls(secured: SecuredPostgres) -> None:
    for role in (*SERVICES, "postgres"):
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
            await who(secured.dsn(role, sslmode="disable"))


@pytest.mark.parametrize("password", ["", "another", "password-of-command"])
async def test_nobody_is_let_in_by_another_password(secured: SecuredPostgres, password: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await who(secured.dsn("decision", password=password))
