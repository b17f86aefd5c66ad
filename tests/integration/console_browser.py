"""A browser that has signed in to the console, without the pages of a provider in between."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from itsdangerous import TimestampSigner

from services.console.web.session import middleware
from services.local.child import free_port
from services.local.issuer import LocalIssuer
from shared.clock import now
from tests.integration.console_data import ONE, TWO, Data
from tests.integration.console_stack import filling, running, settings_for
from tests.integration.console_visits import providing
from tests.stack import Database


@dataclass
class Browser:
    """Whoever looks is signed in for the one request."""

    client: httpx.AsyncClient
    issuer: LocalIssuer
    signer: TimestampSigner

    def _cookie(self, account: str, site: str) -> dict[str, str]:
        session = {"id_token": self.issuer.identity(site, account), "name": account}
        return {"Cookie": f"approvalflow={self.signer.sign(b64encode(json.dumps(session).encode())).decode()}"}

    async def get(self, path: str, account: str = "ann", site: str = ONE) -> httpx.Response:
        """A page."""
        return await self.client.get(path, headers=self._cookie(account, site))

    async def read(self, path: str, account: str = "ann", site: str = ONE) -> str:
        """The text of a page that is there, with single spaces."""
        response = await self.get(path, account, site)
        assert response.status_code == 200, response.text
        return " ".join(response.text.split())

    async def post(self, path: str, form: dict[str, Any], account: str = "ann", site: str = ONE, by: str = "same-origin") -> httpx.Response:
        """A form; ``by`` is from where, as the browser says."""
        return await self.client.post(path, data=form, headers=self._cookie(account, site) | {"Sec-Fetch-Site": by})


@asynccontextmanager
async def browsing(database: Database, state: Path) -> AsyncIterator[Browser]:
    """The console and the provider it believes. No ``command`` runs: nothing that is asked for can be done."""
    async with providing(state) as issuer:
        settings = settings_for(database, issuer, command_url=f"http://127.0.0.1:{free_port()}")
        signer = TimestampSigner(str(middleware(settings).kwargs["secret_key"]))
        async with running(settings, issuer) as console:
            yield Browser(console.client, issuer, signer)


@asynccontextmanager
async def two_sites(database: Database) -> AsyncIterator[Data]:
    """Both licensed; Dave administers space 10 of the first and space 12 of the other."""
    async with filling(database) as rows:
        for site, space_id in ((ONE, "10"), (TWO, "12")):
            await rows._insert("directory.site", {"site_id": site, "licence_active": True})
            await rows.space(now(), ["dave"], space_id, site)
        yield rows
