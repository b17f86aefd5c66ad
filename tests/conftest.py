"""Fixtures every test may use: a database, a broker, and topics, all real."""

import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared import postgres as pg
from tests import stack

PARTITIONS = 4
"""How many partitions the topics of tests have."""
_TEMPLATE = "approvalflow_template"


def pytest_report_header() -> list[str]:
    """Say what the tests run against, since not every broker proves the same."""
    database, broker = stack.chosen()
    return [f"postgres: {database}", f"broker: {broker}"]


@pytest_asyncio.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[stack.Database]:
    """A server with an empty database; ``dsn("decision")`` is the address for that role, ``dsn()`` the superuser's."""
    async with stack.postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def template(postgres: stack.Database) -> str:
    """The name of a migrated database that is only ever copied."""
    await postgres.drop(_TEMPLATE)
    await postgres.create(_TEMPLATE, "template1")
    await pg.migrate(postgres.dsn(database=_TEMPLATE))
    return _TEMPLATE


@pytest_asyncio.fixture(scope="module")
async def database(
    request: pytest.FixtureRequest, postgres: stack.Database, template: str,
) -> AsyncIterator[stack.Database]:
    """A fresh, migrated database for each test module."""
    module = re.sub(r"\W", "_", request.module.__name__.rpartition(".")[2])[:40]
    name = f"{module}_{uuid.uuid4().hex[:8]}"
    yield await postgres.create(name, template)
    await postgres.drop(name)


@pytest_asyncio.fixture(scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[stack.Log]:
    """A broker: its ``bootstrap`` address and whether it is ``idempotent``."""
    async with stack.kafka_server(tmp_path_factory.mktemp("broker")) as log:
        yield log


@pytest.fixture(scope="session")
def kafka(broker: stack.Log) -> str:
    """The broker's address."""
    return broker.bootstrap


@pytest_asyncio.fixture(scope="module")
async def topics(kafka: str) -> list[str]:
    """Every topic, empty, with ``PARTITIONS`` partitions, for each test module; their names."""
    return await stack.fresh_topics(kafka, PARTITIONS)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """An empty state directory."""
    return tmp_path / "state"
