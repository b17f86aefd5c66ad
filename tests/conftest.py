"""Fixtures: one PostgreSQL and one broker for the session, a fresh database for each module."""

from collections.abc import AsyncIterator

import pytest

from services.local.broker import Broker
from services.local.postgres import Postgres
from shared.kafka import create_topics
from tests.servers import Database, fresh_database, servers


@pytest.fixture(scope="session")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Postgres, Broker]]:
    async with servers(tmp_path_factory.mktemp("servers")) as pair:
        print(f"\nbroker: {pair[1].kind}")  # noqa: T201 - the run says which broker it took
        yield pair


@pytest.fixture(scope="session")
async def postgres(both: tuple[Postgres, Broker]) -> Postgres:
    return both[0]


@pytest.fixture(scope="session")
async def kafka(both: tuple[Postgres, Broker]) -> str:
    await create_topics(both[1].bootstrap, 4)
    return both[1].bootstrap


@pytest.fixture(scope="module")
async def database(postgres: Postgres) -> Database:
    return await fresh_database(postgres)
