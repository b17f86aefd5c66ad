"""What an operator does: sees where commands are, lets go what waits, finds what happened, and is shown nobody's words."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote

import asyncpg
import pytest_asyncio
from playwright.async_api import expect

from services.local.supervisor import Stack
from shared.clock import now
from tests.e2e.browser.conftest import Visitor, accessible
from tests.e2e.site import ANN, BOB, Site, approvers, step
from tests.e2e.test_quarantine import MARK, poisons, put_on_intake
from tests.waiting import until


@pytest_asyncio.fixture
async def ola(visitor: Visitor) -> Visitor:
    """Ola, who runs the system and belongs to another site than those she looks at."""
    await visitor.go("/operations")
    await visitor.sign_in("operations", "ola", operator=True)
    return visitor


@asynccontextmanager
async def rules(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The database, as whoever sets the rules of retention has it."""
    db = await asyncpg.connect(stack.postgres.dsn())
    try:
        yield db
    finally:
        await db.close()


async def one_approved(site: Site, page_id: str = "7") -> str:
    """A page that Ann approved; its workflow."""
    workflow = await site.workflow(step(approvers(ANN)), four_eyes=False)
    assert (await site.approve(await site.submit(page_id, workflow), ANN)).status_code == 200
    return workflow


def shows(visitor: Visitor, path: str, text: str) -> Callable[[], Awaitable[bool]]:
    """Whether a page says so, looked at anew each time."""

    async def told() -> bool:
        await visitor.go(path)
        return await visitor.page.get_by_text(text).count() > 0

    return told


async def test_the_flow_with_its_rates_and_what_was_promised(ola: Visitor, site: Site) -> None:
    await until(shows(ola, "/operations", "Rates are what"), 60)
    await one_approved(site)
    await until(shows(ola, "/operations", "error budget spent"), 60)
    picture = ola.page.get_by_role("img", name="The flow of a command")
    await expect(picture).to_contain_text("decision")
    await expect(ola.page.get_by_role("navigation", name="Operations").get_by_text("Flow")).to_have_attribute("aria-current", "page")
    await accessible(ola)
    await ola.picture("operations")


async def test_what_waits_is_tried_dry_then_set_aside_and_replayed_in_order(ola: Visitor, site: Site, system: Stack) -> None:
    workflow = await site.workflow(step(approvers(ANN, BOB)), four_eyes=False)
    approval = await site.submit("900", workflow)
    await put_on_intake(system, *poisons(site.id, "900"))
    voted = [(await site.approve(approval, who, wait=0)).json()["command_id"] for who in (BOB, ANN)]
    key = f"{site.id}:900"
    here = f"/operations/quarantine/decision/{quote(key, safe='')}"
    records = ola.page.locator("#records li")

    async def all_wait() -> bool:
        await ola.go(here)
        return await records.count() == 4

    await until(all_wait)
    await ola.go("/operations/quarantine")
    await accessible(ola)
    await ola.picture("quarantine")
    await ola.page.get_by_role("link", name=key).click()
    await accessible(ola)
    await ola.picture("quarantine-key")
    await ola.page.get_by_role("link", name="Dry run: release").click()
    await expect(ola.page.get_by_text("0 of 4 would be handled again")).to_be_visible()
    await ola.page.get_by_role("button", name="Release and replay in order").click()
    await expect(ola.page.get_by_text("0 handled again, 4 still waiting")).to_be_visible()

    await set_aside(ola, "0 of 4 would be handled again", "0 handled again, 3 still waiting")
    await set_aside(ola, "2 of 3 would be handled again", "2 handled again, 0 still waiting")
    await expect(ola.page.get_by_text("Nothing waits under this key any more.")).to_be_visible()
    await ola.picture("quarantine-released")
    assert MARK not in await ola.page.content()
    answers = [(await site.read(f"/v1/commands/{each}")).json() for each in voted]
    assert [(a["result"], a["status"]) for a in answers] == [("applied", "open"), ("applied", "approved")]

    async def told() -> list[tuple[str, int, int]]:
        entries = [one["body"]["data"] for one in (await site.read("/v1/audit?order=oldest")).json()["entries"]]
        return [(data["actor_id"], data["released"], data["remaining"]) for data in entries if "remaining" in data]

    async def all_told() -> bool:
        return await told() == [("ola", 0, 4), ("ola", 0, 3), ("ola", 2, 0)]

    await until(all_told)


async def set_aside(ola: Visitor, foreseen: str, became: str) -> None:
    """The first that waits, after a look at what that would lead to."""
    await ola.page.get_by_role("link", name="Dry run: set the first aside").click()
    await expect(ola.page.get_by_text(foreseen)).to_be_visible()
    await accessible(ola)
    await ola.picture("quarantine-dry-run")
    await ola.page.get_by_role("button", name="Set the first aside and release the rest").click()
    await expect(ola.page.get_by_text(became)).to_be_visible()


async def test_the_audit_log_of_a_site_is_found_and_verified(ola: Visitor, site: Site) -> None:
    workflow = await one_approved(site)
    await until(shows(ola, f"/operations/audit?site={site.id}", "decision recorded"))
    await ola.page.get_by_label("By").select_option("Page")
    await ola.page.get_by_label("Its id").fill("7")
    await ola.page.get_by_role("button", name="Search").click()
    await expect(ola.page.get_by_role("status").first).to_have_text(re.compile(f"2 entries of {site.id}"))
    await expect(ola.page.locator(".entries")).to_contain_text(workflow)
    await ola.page.get_by_role("link", name="Verify these entries").click()
    await expect(ola.page.get_by_text("All 2 are as they were written")).to_be_visible()
    await accessible(ola)
    await ola.picture("audit")
    await ola.page.locator(".entries a").first.click()
    await expect(ola.page.get_by_text("as written")).to_be_visible()
    await accessible(ola)
    await ola.picture("audit-chain")


async def test_what_retention_would_remove_and_what_is_held(ola: Visitor, site: Site, system: Stack) -> None:
    async with rules(system) as db:
        await db.execute("INSERT INTO retention.policy (site_id, kind, keep_days) VALUES ($1, 'comments', 90), ($1, 'audit', 365)", site.id)
        await db.execute("INSERT INTO retention.hold (site_id, page_id, reason, placed_by) VALUES ($1, '7', $2, 'lea')", site.id, MARK)
    await ola.go(f"/operations/retention?site={site.id}")
    await expect(ola.page.get_by_role("row", name=re.compile("comments"))).to_contain_text("90 days")
    await expect(ola.page.get_by_role("row", name=re.compile("lea"))).to_contain_text("page 7")
    assert MARK not in await ola.page.content()
    await accessible(ola)
    await ola.picture("retention")


async def test_sites_with_their_licence_and_how_fresh_what_is_known_of_them_is(ola: Visitor, site: Site) -> None:
    await site.done("PUT", "/v1/licence", {"active": True, "read_at": now().isoformat()}, None)
    await one_approved(site)
    await ola.go("/operations/sites")
    await ola.page.get_by_label("Id begins with").fill(site.id)
    await ola.page.get_by_role("button", name="Show").click()
    row = ola.page.get_by_role("row", name=re.compile(site.id))
    await expect(row).to_contain_text("active")
    await expect(row).to_contain_text("1 fresh")
    await accessible(ola)
    await ola.picture("sites")


async def test_nothing_of_it_is_there_for_anybody_else(ann: Visitor) -> None:
    await expect(ann.page.get_by_role("link", name="Operations")).to_have_count(0)
    await ann.go("/operations")
    await expect(ann.page.get_by_text("There is no such thing on this site.")).to_be_visible()
    await accessible(ann)
