"""The console service as it runs, and what its tests need around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from services.console.settings import Settings
from services.console.wiring import build
from services.local.issuer import LocalIssuer
from tests.integration.console_data import ONE, Data
from tests.stack import Database

BASE_URL = "http://console.test/base"
TABLES = """
command.idempotency_key, command.connect_tenant, directory.space, directory.member_group, directory.group_member,
directory.site, approvals.page, approvals.workflow, approvals.definition, approvals.step_approver, approvals.assignment,
approvals.former_approval, approvals.outcome, approvals.quarantine, audit.entry, audit.head, audit.quarantine
"""


@dataclass
class Console:
    """The service, and who signs for it."""

    client: httpx.AsyncClient
    issuer: LocalIssuer

    async def get(self, path: str, account: str | None = "ann", site: str = ONE, **headers: str) -> httpx.Response:
        """A read by Forge token; without an account, by the app itself. The licence has lapsed."""
        token = self.issuer.forge(site, account, licence="inactive")
        return await self.client.get(path, headers={"Authorization": f"Bearer {token}", **headers})

    async def read(self, path: str, account: str | None = "ann", site: str = ONE) -> Any:
        """What such a read is answered with."""
        response = await self.get(path, account, site)
        assert response.status_code == 200, response.text
        return response.json()


@asynccontextmanager
async def running(settings: Settings, issuer: LocalIssuer) -> AsyncIterator[Console]:
    """The service for the length of the block."""
    async with build(settings) as app:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
            yield Console(client, issuer)


def settings_for(database: Database, issuer: LocalIssuer, **changes: Any) -> Settings:
    """Its own role, and what the issuer hands to those who verify."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in issuer.environment().items():
            patch.setenv(name, value)
        return Settings(database=database.dsn("console"), base_url=BASE_URL, **changes)


@asynccontextmanager
async def filling(database: Database) -> AsyncIterator[Data]:
    """Rows for the length of the block."""
    connection = await asyncpg.connect(database.dsn())
    try:
        yield Data(connection)
    finally:
        await connection.execute(f"TRUNCATE {TABLES}")
        await connection.close()
