"""The real database and broker that tests run on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg

from services.local.broker import Broker
from services.local.postgres import Postgres
from shared import postgres as schema


@asynccontextmanager
async def servers(directory: Path) -> AsyncIterator[tuple[Postgres, Broker]]:
    """Both, started and stopped together."""
    postgres, broker = Postgres(directory / "postgres"), Broker(directory / "kafka")
    try:
        await postgres.start()
        await broker.start()
        yield postgres, broker
    finally:
        await broker.stop()
        await postgres.stop()


class Database:
    """A fresh, migrated database."""

    def __init__(self, postgres: Postgres, name: str) -> None:
        self._postgres = postgres
        self._name = name

    def dsn(self, role: str | None = None) -> str:
        """Its address, for one service's role or for the superuser."""
        return self._postgres.dsn(role, self._name)


async def fresh_database(postgres: Postgres) -> Database:
    """A new database with every migration applied."""
    name = f"test_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres.dsn(database="postgres"))
    try:
        await admin.execute(f'CREATE DATABASE "{name}"')
    finally:
        await admin.close()
    database = Database(postgres, name)
    await schema.migrate(database.dsn())
    return database
