"""What owners and space admins do: make and change workflows, see what would happen, put them to use, end them, and read reports."""

import re

import pytest_asyncio
from playwright.async_api import expect

from shared.clock import now
from tests.e2e.browser.conftest import Visitor, accessible
from tests.e2e.site import ADMIN, ANN, BOB, CAROL, SPACE, Site, approvers, step
from tests.waiting import until


@pytest_asyncio.fixture
async def dora(visitor: Visitor, site: Site) -> Visitor:
    """Dora, who administers the space, signed in on a licensed site."""
    await site.done("PUT", "/v1/licence", {"active": True, "read_at": now().isoformat()}, None)
    await visitor.go("/workflows")
    await visitor.sign_in(site.id, ADMIN)
    return visitor


async def saved(visitor: Visitor) -> str:
    """The id of the workflow whose page tells that what was asked for is done."""
    await expect(visitor.page.get_by_text("What you asked for is done.")).to_be_visible()
    found = re.search(r"/workflows/(wf-[0-9a-f]+)", visitor.page.url)
    assert found is not None
    return found[1]


async def test_a_workflow_from_an_empty_form_to_its_use(dora: Visitor, site: Site) -> None:
    page = dora.page
    await site.done("PUT", "/v1/directory/groups/reviewers", {"members": [ANN, BOB], "read_at": now().isoformat()}, None)
    await page.get_by_role("button", name="New workflow").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("3 fields need another look")
    await accessible(dora)
    await dora.picture("editor-mistakes")

    await page.locator("#name").fill("Policies")
    await page.locator("#step-0-name").fill("Review")
    await page.locator("#step-0-approvers").fill("group:reviewers")
    await page.locator("#step-0-rule").select_option("quorum")
    await page.locator("#step-0-n").fill("3")
    await page.get_by_role("button", name="Add a step").click()
    await expect(page.locator("#step-1-name")).to_be_focused()
    await page.locator("#step-1-name").fill("Release")
    await page.locator("#step-1-approvers").fill(ADMIN)
    await page.get_by_role("button", name="Preview").last.click()
    preview = page.locator("#preview")
    await expect(preview).to_contain_text("3 people must approve, and 2 could.")
    await expect(preview).to_contain_text("That is true of pages you write, too.")
    await accessible(dora)
    await dora.picture("editor-preview")

    await page.locator("#step-0-n").fill("2")
    await page.get_by_role("button", name="Save").click()
    workflow = await saved(dora)
    await accessible(dora)
    await dora.picture("workflow")
    await page.get_by_label("to the whole of space").check()
    await page.get_by_role("button", name="Assign").click()
    assert await saved(dora) == workflow
    await expect(page.get_by_role("listitem").filter(has_text=f"The whole of space {SPACE}")).to_be_visible()
    await page.get_by_role("link", name="Workflows").click()
    await expect(page.get_by_text("in use for the whole space")).to_be_visible()
    await expect(page.get_by_text("You may change it")).to_be_visible()
    await accessible(dora)
    await dora.picture("workflows")


async def test_steps_are_moved_and_removed_without_script_and_by_keyboard(dora: Visitor, site: Site) -> None:
    workflow = await site.workflow(
        step(approvers(ANN)) | {"name": "first"}, step(approvers(BOB)) | {"name": "second"}, step(approvers(CAROL)) | {"name": "third"},
    )
    async with await dora.page.context.browser.new_context(  # type: ignore[union-attr]  # it has one
        java_script_enabled=False, storage_state=await dora.page.context.storage_state(),
    ) as context:
        page = await context.new_page()
        await page.goto(f"{dora.console}/workflows/{workflow}/edit")
        await page.get_by_role("button", name="Move step 3 up").press("Enter")
        await expect(page.locator("#step-1-name")).to_have_value("third")
        await expect(page.locator("#step-1-name")).to_be_focused()
        await page.get_by_role("button", name="Remove step 1").press("Enter")
        await expect(page.get_by_role("group", name="Step 3")).to_have_count(0)
        await page.locator("#name").fill("Fewer steps")
        await page.locator("#name").press("Enter")
        await expect(page.locator("#preview")).to_be_visible()
        await page.get_by_role("button", name="Save version 2").press("Enter")
        await expect(page.get_by_role("heading", name="Fewer steps")).to_be_visible()
    definition = (await site.read(f"/v1/workflows/{workflow}", ADMIN)).json()["definition"]
    assert [one["name"] for one in definition["steps"]] == ["third", "second"]


async def test_being_signed_out_while_one_typed_loses_nothing(dora: Visitor, site: Site) -> None:
    page = dora.page
    await dora.go(f"/workflows/new?space={SPACE}")
    for field, typed in (("name", "Policies"), ("step-0-name", "Review"), ("step-0-approvers", f"{ANN}\n{BOB}")):
        await page.locator(f"#{field}").fill(typed)
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Save").click()
    async with page.expect_popup() as opened:
        await page.get_by_role("link", name="Sign in").click()
    await Visitor(await opened.value, dora.stack, dora.trouble).sign_in(site.id, ADMIN)
    await page.get_by_role("button", name="Send it now").click()
    workflow = await saved(dora)
    [made] = (await site.read(f"/v1/workflows/{workflow}", ADMIN)).json()["definition"]["steps"]
    assert [one["id"] for one in made["approvers"]] == [ANN, BOB]


async def test_who_was_faster_is_named_and_nothing_typed_is_lost(dora: Visitor, site: Site) -> None:
    page = dora.page
    workflow = await site.workflow(step(approvers(ANN)), owners=[CAROL])
    await dora.go(f"/workflows/{workflow}/edit")
    await page.locator("#name").fill("Mine")
    await site.done("PUT", f"/v1/workflows/{workflow}/assignments/page/81", {}, CAROL)
    theirs = {"name": "Theirs", "owners": [CAROL], "steps": [step(approvers(ANN, BOB), "any") | {"name": "check"}], "four_eyes": False}
    await site.done("PUT", f"/v1/workflows/{workflow}", {"definition": theirs}, CAROL)
    await page.get_by_role("button", name="Save version 2").click()
    await expect(page.get_by_role("alert")).to_contain_text(f"{CAROL} saved version 2 while you edited.")
    await expect(page.locator("#name")).to_have_value("Mine")
    await accessible(dora)
    await dora.picture("editor-conflict")
    async with page.expect_popup() as opened:
        await page.get_by_role("link", name="See what changed").click()
    changed = Visitor(await opened.value, dora.stack, dora.trouble)
    await expect(changed.page.locator("ins", has_text=BOB)).to_be_visible()
    await accessible(changed)
    await changed.picture("versions")
    await page.get_by_role("button", name="Save version 3").click()
    await saved(dora)
    await expect(page.get_by_role("heading", name="Mine")).to_be_visible()


async def test_an_assignment_meanwhile_is_no_conflict(dora: Visitor, site: Site) -> None:
    workflow = await site.workflow(step(approvers(ANN)))
    await dora.go(f"/workflows/{workflow}/edit")
    await site.done("PUT", f"/v1/workflows/{workflow}/assignments/page/82", {}, ADMIN)
    await dora.page.get_by_role("button", name="Save version 2").click()
    await saved(dora)


async def test_archiving_says_how_many_approvals_it_cancels_and_does(dora: Visitor, site: Site) -> None:
    page = dora.page
    workflow = await site.workflow(step(approvers(ANN)))
    approval = await site.submit("83", workflow)
    await dora.go(f"/workflows/{workflow}")
    await page.get_by_role("link", name="Archive").click()
    await expect(page.get_by_text("1 open approval is cancelled")).to_be_visible()
    await accessible(dora)
    await dora.picture("archive")
    await page.get_by_role("button", name="Archive it and cancel 1 approval").click()
    await saved(dora)
    await expect(page.get_by_role("link", name="Edit")).to_have_count(0)

    async def cancelled() -> bool:
        return bool((await site.read(f"/v1/approvals/{approval}")).json()["status"] == "cancelled")

    await until(cancelled)


async def test_an_approval_goes_back_to_its_first_step_and_then_ends(dora: Visitor, site: Site) -> None:
    page = dora.page
    approval = await site.submit("84", await site.workflow(step(approvers(ANN)), step(approvers(BOB))))
    assert (await site.approve(approval, ANN)).status_code == 200
    await dora.go(f"/approvals/{approval}")
    await page.get_by_role("link", name="Back to step 1").click()
    await expect(page.get_by_text("1 decision counts no more")).to_be_visible()
    await accessible(dora)
    await dora.picture("approval-reset")
    await page.get_by_role("button", name="Put it back to step 1").click()
    await expect(page.get_by_text("The approval is back at its first step.")).to_be_visible()
    await page.get_by_role("link", name="Cancel").click()
    await accessible(dora)
    await page.get_by_role("button", name="Cancel the approval").click()
    await expect(page.get_by_text("The approval is cancelled.")).to_be_visible()
    await dora.picture("approval-owner")


async def test_a_change_while_one_confirms_is_told(dora: Visitor, site: Site) -> None:
    approval = await site.submit("85", await site.workflow(step(approvers(ANN, BOB))))
    await dora.go(f"/approvals/{approval}/cancel")
    assert (await site.approve(approval, ANN)).status_code == 200
    await dora.page.get_by_role("button", name="Cancel the approval").click()
    await expect(dora.page.get_by_role("alert")).to_contain_text("changed since you looked at it")
    await expect(dora.page.get_by_text("1 decision so far")).to_be_visible()


async def test_reports_tell_how_long_where_and_why(dora: Visitor, site: Site) -> None:
    page = dora.page
    workflow = await site.workflow(step(approvers(ANN)), step(approvers(BOB)) | {"name": "release"})
    done = await site.submit("86", workflow)
    for who in (ANN, BOB):
        assert (await site.approve(done, who)).status_code == 200
    await site.submit("87", workflow)
    assert (await site.send("DELETE", f"/v1/workflows/{workflow}", {}, CAROL)).status_code == 403
    await dora.go("/reports")
    await page.get_by_role("link", name=f"Space {SPACE}").click()
    await expect(page.get_by_role("heading", name=f"Space {SPACE}")).to_be_visible()

    async def audited() -> bool:
        await page.reload()
        return bool(await page.get_by_role("img", name="Time from submission to the end, by week").count())

    await until(audited, 60)
    await expect(page.get_by_role("img", name="Open approvals by the step they wait at")).to_be_visible()
    await accessible(dora)
    await dora.picture("reports")
    await page.get_by_label("From", exact=True).fill("2020-01-01")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_role("alert")).to_have_text("A report covers 92 days at most.")
    await expect(page.get_by_label("From", exact=True)).to_have_value("2020-01-01")
    await accessible(dora)


async def test_a_person_without_a_say_reads_workflows_and_nothing_more(ann: Visitor, site: Site) -> None:
    page = ann.page
    workflow = await site.workflow(step(approvers(ANN)))
    approval = await site.submit("88", workflow)
    await ann.go(f"/workflows/{workflow}")
    await expect(page.get_by_role("heading", name="Policies")).to_be_visible()
    await expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    await ann.go("/reports")
    await expect(page.get_by_text("you do neither")).to_be_visible()
    await accessible(ann)
    seen = set()
    for path in (
        f"/workflows/{workflow}/edit", "/workflows/wf-none/edit", f"/workflows/{workflow}/archive", "/workflows/wf-none/archive",
        f"/workflows/new?space={SPACE}", "/workflows/new?space=none", f"/reports?space={SPACE}", "/reports?space=none",
        f"/reports?workflow={workflow}", "/reports?workflow=wf-none", f"/approvals/{approval}/cancel",
    ):
        await ann.go(path)
        seen.add(await page.locator("main").inner_text())
    assert len(seen) == 1, seen
