"""Fixtures that several modules share: the command service, and what retention sweeps; each module starts its own."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from services.command.settings import Settings as CommandSettings
from services.local.issuer import LocalIssuer
from services.retention.settings import Settings as RetentionSettings
from shared.kafka import BatchPublisher
from shared.postgres import connect_pool
from tests.integration.command_stack import Service, running, settings_for
from tests.integration.retention_scene import Scene
from tests.stack import Database, Log


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> LocalIssuer:
    """Who signs for a Forge app, a Connect tenant and two Data Center sites."""
    return LocalIssuer.load_or_create(tmp_path_factory.mktemp("state"), ("dc-one", "dc-two"))


@pytest.fixture(scope="module")
def settings(database: Database, broker: Log, topics: list[str], issuer: LocalIssuer) -> CommandSettings:
    """The settings of the command service."""
    return settings_for(database, broker, issuer)


@pytest.fixture(scope="module")
async def service(settings: CommandSettings, issuer: LocalIssuer) -> AsyncIterator[Service]:
    """The command service, running."""
    async with running(settings, issuer) as started:
        yield started


@pytest.fixture
async def fresh(service: Service, database: Database) -> AsyncIterator[None]:
    """The command service with nothing on its log yet; what a test stored is gone after it."""
    await service.log.skip()
    yield
    connection = await asyncpg.connect(database.dsn())
    try:
        await connection.execute(
            "TRUNCATE command.idempotency_key, command.connect_tenant, directory.space, directory.site, approvals.page,"
            " approvals.workflow, approvals.definition"
        )
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="module")
async def opened(database: Database, broker: Log, topics: list[str]) -> AsyncIterator[Scene]:
    """A scene for the sweeps of one module."""
    settings = RetentionSettings.model_validate({
        "kafka": broker.bootstrap, "kafka_idempotent": broker.idempotent, "pause_seconds": 0.0, "statement_seconds": 5.0,
    })
    publisher = BatchPublisher(settings, "retention")
    await publisher.start()
    async with await connect_pool(database.dsn("retention"), 4, "test", session_state=True) as pool:
        db = await asyncpg.connect(database.dsn())
        yield Scene(db, pool, publisher.publish, settings)
        await db.close()
    await publisher.stop()


@pytest_asyncio.fixture
async def scene(opened: Scene) -> Scene:
    """That scene with nothing stored and nothing published."""
    await opened.clear()
    return opened
