"""Signing in and out in a browser at a real provider, Keycloak."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from services.local.child import Child, free_port
from services.local.issuer import OIDC_CLIENT
from services.local.supervisor import Stack
from tests.e2e import keycloak
from tests.e2e.browser.conftest import visiting
from tests.e2e.keycloak import Keycloak

pytestmark = pytest.mark.timeout(600)  # the first test fetches and starts it


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A console whose people sign in at Keycloak."""

    address: str
    server: Keycloak

    async def sign_in(self, page: Page, account: str) -> None:
        """Fill in Keycloak's own form."""
        await page.get_by_label("Username or email").fill(account)
        await page.get_by_label("Password", exact=True).fill(self.server.password)
        await page.get_by_role("button", name="Sign In").click()
        await page.get_by_role("button", name="Sign out").wait_for()


@pytest_asyncio.fixture(scope="module")
async def console(system: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Elsewhere]:
    keycloak.needed()
    directory, port = tmp_path_factory.mktemp("keycloak"), free_port()
    address = f"http://127.0.0.1:{port}"
    async with keycloak.running(directory, address) as server:
        told = {
            "HTTP_PORT": str(port), "BASE_URL": address, "OIDC_ISSUER": server.issuer, "OIDC_CLIENT_ID": OIDC_CLIENT,
            "OIDC_CLIENT_SECRET": server.client_secret,
        }
        environment = system.environment("console") | {f"APPROVALFLOW_{name}": value for name, value in told.items()}
        child = Child("console", [sys.executable, "-m", "services.console"], directory / "console.log", environment)
        try:
            async with httpx.AsyncClient() as client:
                await child.ready(lambda: _ready(client, address), 60)
            yield Elsewhere(address, server)
        finally:
            await child.stop()


async def _ready(client: httpx.AsyncClient, address: str) -> bool:
    try:
        return (await client.get(f"{address}/health/ready")).is_success
    except httpx.HTTPError:
        return False


async def test_a_person_signs_in_and_out(console: Elsewhere, browser: Browser, system: Stack) -> None:
    async with visiting(browser, system) as visitor:
        page = visitor.page
        await page.goto(f"{console.address}/pages/7")
        await console.sign_in(page, "ann")
        assert page.url == f"{console.address}/pages/7"
        await expect(page.get_by_text("Ann Acme")).to_be_visible()
        await expect(page.get_by_role("link", name="Operations")).to_have_count(0)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="You have signed out")).to_be_visible()
        await page.goto(f"{console.address}/")
        await expect(page.get_by_label("Username or email")).to_be_visible()


async def test_an_operator_is_one_by_keycloaks_word(console: Elsewhere, browser: Browser, system: Stack) -> None:
    async with visiting(browser, system) as visitor:
        await visitor.page.goto(f"{console.address}/operations")
        await console.sign_in(visitor.page, "olga")
        await expect(visitor.page.get_by_role("link", name="Operations")).to_be_visible()
        assert visitor.page.url == f"{console.address}/operations"
