"""People who sign in to the console at the local provider, as their browsers would."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from services.local import provider
from services.local.child import free_port
from services.local.issuer import LocalIssuer
from services.local.served import served
from tests.integration.console_data import ONE
from tests.integration.console_stack import BASE_URL, Console


@asynccontextmanager
async def providing(directory: Path) -> AsyncIterator[LocalIssuer]:
    """An issuer whose provider is served for the length of the block."""
    issuer = LocalIssuer.load_or_create(directory, provider=f"http://127.0.0.1:{free_port()}")
    async with served(provider.application(issuer, BASE_URL), issuer.provider):
        yield issuer


@asynccontextmanager
async def visiting(
    console: Console, account: str | None = "ola", *, site: str = ONE, operator: bool = False,
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser whose person has signed in; without an account, nobody has."""
    inside = {"http://console.test": console.client._transport}
    async with httpx.AsyncClient(mounts=inside, base_url=BASE_URL, headers={"Origin": "http://console.test"}, timeout=30) as browser:
        if account is not None:
            form = await browser.get("/signin", follow_redirects=True)
            said = {"site": site, "account": account, "password": console.issuer.sign_in_password, "operator": "on" if operator else ""}
            (await browser.post(form.url, data=said, follow_redirects=True)).raise_for_status()
        yield browser
