"""Debian's Chromium, driven by Playwright, and people who sign in at the local provider."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from services.local.supervisor import Stack
from shared.clock import now
from tests.e2e.site import ANN, Site

SCREENSHOTS = Path(os.environ.get("APPROVALFLOW_SCREENSHOTS", "build/screenshots"))
"""Kept as artefacts of the run."""
PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; each page has a profile of its own."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("APPROVALFLOW_REQUIRE_CHROMIUM"):
            pytest.fail("chromium is required here and not installed")
        pytest.skip("NOT TESTED: no chromium (apt-get install chromium)")
    expect.set_options(timeout=15_000)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        await started.close()


@dataclass
class Visitor:
    """A person with a browser."""

    page: Page
    stack: Stack
    trouble: list[str]

    @property
    def console(self) -> str:
        """Where the console is."""
        return self.stack.address("console")

    async def go(self, path: str) -> None:
        """Open a page of the console."""
        await self.page.goto(self.console + path)

    async def sign_in(self, site: str, account: str, *, operator: bool = False) -> None:
        """At the local provider, wherever that leads back to."""
        await self.page.get_by_label("Site").fill(site)
        await self.page.get_by_label("Account").fill(account)
        await self.page.get_by_label("Password").fill(self.stack.issuer.sign_in_password)
        if operator:
            await self.page.get_by_label(re.compile("operator", re.IGNORECASE)).check()
        await self.page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
        await self.page.get_by_role("button", name="Sign out").wait_for()

    async def picture(self, name: str) -> None:
        """Keep what it looks like, at a desk and on a phone, light and dark; nothing may be wider than the phone."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for scheme in ("light", "dark"):
            await self.page.emulate_media(color_scheme=scheme)
            for size, kind in ((DESK, "desk"), (PHONE, "phone")):
                await self.page.set_viewport_size(size)
                await self.page.screenshot(path=SCREENSHOTS / f"{name}-{kind}-{scheme}.png", full_page=True)
                width = await self.page.evaluate("document.documentElement.scrollWidth")
                assert width <= size["width"], f"{name}: {width} px on a {kind}"
        await self.page.emulate_media(color_scheme="light")
        await self.page.set_viewport_size(DESK)


async def accessible(visitor: Visitor) -> None:
    """No axe rule is broken."""
    found = await Axe().run(visitor.page)
    assert found.violations_count == 0, found.generate_report()


@asynccontextmanager
async def visiting(browser: Browser, stack: Stack, **options: Any) -> AsyncIterator[Visitor]:
    """A browser profile for the length of the block; no page of it may complain on its console."""
    async with await browser.new_context(viewport=DESK, **options) as context:
        page = await context.new_page()
        page.set_default_timeout(15_000)
        visitor = Visitor(page, stack, [])
        page.on("pageerror", lambda error: visitor.trouble.append(str(error)))
        page.on("console", lambda said: visitor.trouble.append(said.text) if "Content Security Policy" in said.text else None)
        yield visitor
        assert visitor.trouble == []


@pytest_asyncio.fixture
async def visitor(browser: Browser, system: Stack) -> AsyncIterator[Visitor]:
    """Somebody who has not signed in."""
    async with visiting(browser, system) as one:
        yield one


@pytest_asyncio.fixture
async def ann(visitor: Visitor, site: Site) -> Visitor:
    """Ann, signed in on a site of her own, whose licence the app has told of: nobody's token at the console carries one."""
    await site.done("PUT", "/v1/licence", {"active": True, "read_at": now().isoformat()}, None)
    await visitor.go("/")
    await visitor.sign_in(site.id, ANN)
    return visitor
