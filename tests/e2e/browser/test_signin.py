"""Getting in, staying in, getting out; and what another site or another tenant cannot do."""

import httpx
from playwright.async_api import Browser, expect

from services.local.supervisor import Stack
from tests.e2e.browser.conftest import Visitor, accessible, visiting
from tests.e2e.session import cookie
from tests.e2e.site import ANN, Site, approvers, step


async def test_signing_in_leads_to_where_one_was_going(visitor: Visitor, site: Site) -> None:
    approval = await site.submit("91", await site.workflow(step(approvers(ANN))))
    await visitor.go(f"/approvals/{approval}")
    await accessible(visitor)
    await visitor.sign_in(site.id, ANN)
    assert visitor.page.url == f"{visitor.console}/approvals/{approval}"
    [kept] = [c for c in await visitor.page.context.cookies() if c["name"] == "approvalflow"]
    assert (kept["httpOnly"], kept["sameSite"]) == (True, "Lax")


async def test_it_never_leads_off_this_service(visitor: Visitor, site: Site) -> None:
    await visitor.go("/signin?to=//evil.example/")
    await visitor.sign_in(site.id, ANN)
    assert visitor.page.url == f"{visitor.console}/"


async def test_signing_out_is_for_good(ann: Visitor) -> None:
    await ann.page.get_by_role("button", name="Sign out").click()
    await expect(ann.page.get_by_role("heading", name="You have signed out")).to_be_visible()
    await accessible(ann)
    await ann.picture("signed-out")
    await ann.go("/")
    await expect(ann.page.get_by_label("Password")).to_be_visible()


async def expire(visitor: Visitor) -> None:
    """What the cookie holds is now of a person whose ID token has run out."""
    [(name, value)] = cookie(visitor.stack, "site", "somebody", lifetime=-60).items()
    await visitor.page.context.add_cookies([{"name": name, "value": value, "url": visitor.console}])


async def test_who_is_still_signed_in_at_the_provider_is_not_asked_again(ann: Visitor) -> None:
    await expire(ann)
    await ann.go("/")
    await expect(ann.page.get_by_role("button", name="Sign out")).to_be_visible()
    assert ann.page.url == f"{ann.console}/"


async def test_what_was_written_outlives_the_session(ann: Visitor, site: Site) -> None:
    await ann.go(f"/approvals/{await site.submit('94', await site.workflow(step(approvers(ANN))))}")
    await ann.page.get_by_label("Comment").fill("After a long lunch.")
    await expire(ann)
    await ann.page.get_by_role("button", name="Approve").click()
    await expect(ann.page.get_by_text("Nothing is lost.")).to_be_visible()
    await accessible(ann)
    await ann.picture("send-again")
    async with ann.page.context.expect_page() as opened:
        await ann.page.get_by_role("link", name="Sign in").click()
    await expect((await opened.value).get_by_role("button", name="Sign out")).to_be_visible()
    await ann.page.get_by_role("button", name="Send it now").click()
    await expect(ann.page.get_by_text("After a long lunch.")).to_be_visible()


async def test_another_tenants_approval_does_not_exist(ann: Visitor, site: Site, system: Stack, client: httpx.AsyncClient) -> None:
    other = Site(system, client, f"{site.id}-other")
    await other.prepare()
    approval = await other.submit("92", await other.workflow(step(approvers(ANN))))
    for path in (f"/approvals/{approval}", "/pages/92"):
        await ann.go(path)
        await expect(ann.page.get_by_role("heading", name="Not found")).to_be_visible()
    await accessible(ann)
    await ann.picture("not-found")


async def test_a_form_of_another_page_changes_nothing(ann: Visitor, site: Site, browser: Browser) -> None:
    approval = await site.submit("93", await site.workflow(step(approvers(ANN))))
    await ann.go(f"/approvals/{approval}")
    form = await ann.page.locator("form.decide").evaluate("form => form.outerHTML")
    fields = form.replace(' action="', f' action="{ann.console}').replace("<button", '<button formtarget="_self"')
    await ann.page.route("http://evil.example/", lambda route: route.fulfill(body=f"<!doctype html>{fields}", content_type="text/html"))
    await ann.page.goto("http://evil.example/")
    await ann.page.get_by_role("button", name="Approve").click()
    await expect(ann.page.locator("h1")).to_have_text("Cross origin")
    cookies = {c["name"]: c["value"] for c in await ann.page.context.cookies() if c["name"] == "approvalflow"}
    data = {"page_version": 1, "step": 0, "round": 1, "version": 1, "key": "a" * 32, "verdict": "approve"}
    async with httpx.AsyncClient(base_url=ann.console, cookies=cookies) as forger:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}, {}):
            answer = await forger.post(f"/approvals/{approval}/decisions", data=data, headers=headers)
            assert (answer.status_code, "not ours" in answer.text) == (403, True), headers
    assert (await site.read(f"/v1/approvals/{approval}")).json()["steps"][0]["decisions"] == []


async def test_a_forged_cookie_is_nobody(browser: Browser, system: Stack) -> None:
    async with visiting(browser, system) as visitor:
        await visitor.page.context.add_cookies([{"name": "approvalflow", "value": "eyJpZF90b2tlbiI6ICJ4In0=.x.y", "url": visitor.console}])
        await visitor.go("/")
        await expect(visitor.page.get_by_label("Password")).to_be_visible()


async def test_every_page_forbids_scripts_of_others(ann: Visitor) -> None:
    answer = await ann.page.goto(f"{ann.console}/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
