"""One scene for each module: its own database, and topics made empty."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fault.scene import Scene, opened
from tests.stack import Database, Log


@pytest_asyncio.fixture(scope="module")
async def scene(
    database: Database, broker: Log, topics: list[str], tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Scene]:
    """A log and a database with nothing on them."""
    async with opened(broker, database, tmp_path_factory.mktemp("decision")) as ready:
        yield ready
