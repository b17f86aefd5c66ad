"""The whole system, started once, and a site of its own for each test."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from services.local.supervisor import Stack, running
from tests.e2e.site import Site


@pytest_asyncio.fixture(scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Every service, as ``approvalflow up`` runs them."""
    async with running(tmp_path_factory.mktemp("system")) as stack:
        yield stack


@pytest_asyncio.fixture(scope="session")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """As many connections as a test has callers."""
    async with httpx.AsyncClient(timeout=20, limits=httpx.Limits(max_connections=None)) as ready:
        yield ready


@pytest_asyncio.fixture
async def site(system: Stack, client: httpx.AsyncClient) -> Site:
    """A site whose app has told who administers its space."""
    fresh = Site(system, client, f"site-{uuid4().hex[:12]}")
    await fresh.prepare()
    return fresh
