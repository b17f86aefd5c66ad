"""What an approver does: finds what waits, sees why, decides, and is told what changed meanwhile."""

import re

from playwright.async_api import expect

from tests.e2e.browser.conftest import Visitor, accessible
from tests.e2e.site import ANN, AUTHOR, BOB, CAROL, SPACE, Site, approvers, step
from tests.waiting import until


async def test_a_decision_from_the_list_to_the_history(ann: Visitor, site: Site) -> None:
    workflow = await site.workflow(step(approvers(ANN, BOB)), step(approvers(CAROL), "any"))
    await site.submit("71", workflow)
    await ann.go("/")
    await accessible(ann)
    await ann.picture("decisions")
    await ann.page.get_by_role("link", name="Page 71").click()
    await expect(ann.page.get_by_text("Missing:")).to_contain_text(BOB)
    await accessible(ann)
    await ann.picture("approval")
    await ann.page.get_by_label("Comment").fill("Reads well.")
    await ann.page.get_by_role("button", name="Approve version 1").click()
    await expect(ann.page.get_by_text("Your decision is recorded.")).to_be_visible()
    await expect(ann.page.get_by_text("Reads well.")).to_be_visible()
    await expect(ann.page.get_by_text("You have already decided on this step.")).to_be_visible()
    await accessible(ann)
    await ann.picture("approval-decided")
    await ann.page.get_by_role("link", name="All approvals of this page").click()
    await expect(ann.page.get_by_text(f"{ANN} approved step 1")).to_be_visible()
    await accessible(ann)
    await ann.picture("page")
    await ann.go("/")
    await expect(ann.page.get_by_text("0 open decisions")).to_be_visible()


async def test_everything_is_done_with_the_keyboard_alone(ann: Visitor, site: Site) -> None:
    await site.submit("72", await site.workflow(step(approvers(ANN))))
    await ann.go("/")
    await ann.page.keyboard.press("Tab")
    await expect(ann.page.get_by_role("link", name="Skip to content")).to_be_focused()
    await ann.page.keyboard.press("Enter")
    link = ann.page.get_by_role("link", name="Page 72")
    while not await link.evaluate("link => link === document.activeElement"):
        await ann.page.keyboard.press("Tab")
    await ann.page.keyboard.press("Enter")
    box = ann.page.get_by_label("Comment")
    await box.wait_for()
    while not await box.evaluate("box => box === document.activeElement"):
        await ann.page.keyboard.press("Tab")
    await ann.page.keyboard.type("Not the new address yet.")
    await ann.page.keyboard.press("Tab")
    await ann.page.keyboard.press("Tab")
    await expect(ann.page.get_by_role("button", name="Reject")).to_be_focused()
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_text("Rejected", exact=True)).to_be_visible()
    await expect(ann.page.locator("blockquote")).to_have_text("Not the new address yet.")


async def test_a_rejection_without_a_word_is_not_sent_off(ann: Visitor, site: Site) -> None:
    approval = await site.submit("73", await site.workflow(step(approvers(ANN))))
    await ann.go(f"/approvals/{approval}")
    await ann.page.get_by_role("button", name="Reject").click()
    await expect(ann.page.get_by_role("alert")).to_have_text(re.compile("A rejection needs a comment"))
    await accessible(ann)
    await ann.picture("comment-required")


async def test_a_page_that_changed_meanwhile_is_named_and_the_words_are_kept(ann: Visitor, site: Site) -> None:
    await site.hook("created", "74", 1)
    approval = await site.submit("74", await site.workflow(step(approvers(ANN)), on_edit="reset"))
    await ann.go(f"/approvals/{approval}")
    await ann.page.get_by_label("Comment").fill("Fine by me.")
    await site.hook("updated", "74", 2)

    async def known() -> bool:
        return bool((await site.read(f"/v1/approvals/{approval}")).json()["page_version"] == 2)

    await until(known)
    await ann.page.get_by_role("button", name="Approve version 1").click()
    await expect(ann.page.get_by_role("alert")).to_have_text(
        "The page changed to version 2 while you decided on version 1. Look at version 2 before you decide."
    )
    await expect(ann.page.get_by_label("Comment")).to_have_value("Fine by me.")
    await accessible(ann)
    await ann.picture("conflict")
    await ann.page.get_by_role("button", name="Approve version 2").click()
    await expect(ann.page.get_by_text("Your decision is recorded.")).to_be_visible()


async def test_a_vote_of_another_on_the_same_step_is_no_conflict(ann: Visitor, site: Site) -> None:
    approval = await site.submit("75", await site.workflow(step(approvers(ANN, BOB, CAROL))))
    await ann.go(f"/approvals/{approval}")
    assert (await site.approve(approval, BOB)).status_code == 200
    await ann.page.get_by_role("button", name="Approve version 1").click()
    await expect(ann.page.get_by_text("Your decision is recorded.")).to_be_visible()


async def test_a_vote_meant_for_a_step_does_not_count_on_the_next(ann: Visitor, site: Site) -> None:
    first, second = step(approvers(ANN, BOB), "any"), step(approvers(ANN)) | {"name": "release"}
    approval = await site.submit("76", await site.workflow(first, second))
    await ann.go(f"/approvals/{approval}")
    assert (await site.approve(approval, BOB)).status_code == 200
    await ann.page.get_by_role("button", name="Approve version 1").click()
    await expect(ann.page.get_by_role("alert")).to_have_text(
        "Step “review” was completed while you decided. The approval now waits at “release”."
    )
    assert (await site.read(f"/v1/approvals/{approval}")).json()["steps"][1]["decisions"] == []


async def test_what_others_do_shows_up_by_itself(ann: Visitor, site: Site) -> None:
    await ann.go("/")
    await expect(ann.page.get_by_text("0 open decisions")).to_be_visible()
    approval = await site.submit("77", await site.workflow(step(approvers(ANN, BOB))))
    await expect(ann.page.get_by_text("1 open decision")).to_be_visible(timeout=15_000)
    await ann.page.get_by_role("link", name="Page 77").click()
    await ann.page.get_by_label("Comment").fill("half a")
    assert (await site.approve(approval, BOB)).status_code == 200
    await expect(ann.page.locator(".said")).to_contain_text(f"{BOB} approved", timeout=15_000)
    await expect(ann.page.get_by_label("Comment")).to_have_value("half a")


async def test_who_wrote_the_page_may_reject_but_not_approve_it(ann: Visitor, site: Site) -> None:
    await site.hook("created", "78", 1, editor=ANN)
    await ann.go(f"/approvals/{await site.submit('78', await site.workflow(step(approvers(ANN))))}")
    await expect(ann.page.get_by_text("Somebody else must approve what you wrote.")).to_be_visible()
    await expect(ann.page.get_by_role("button", name=re.compile("Approve"))).to_have_count(0)
    await expect(ann.page.get_by_role("button", name="Reject")).to_be_visible()


async def test_what_was_written_is_shown_to_those_who_take_part_and_to_nobody_else(ann: Visitor, site: Site) -> None:
    approval = await site.submit("79", await site.workflow(step(approvers(BOB, CAROL))))
    body = {"page_version": 1, "verdict": "approve", "comment": "Between us."}
    await site.done("POST", f"/v1/approvals/{approval}/decisions", body, BOB)
    await ann.go(f"/approvals/{approval}")
    await expect(ann.page.get_by_text("With a comment for those who take part.")).to_be_visible()
    assert "Between us." not in await ann.page.content()
    await ann.page.get_by_role("button", name="Sign out").click()
    await ann.go(f"/approvals/{approval}")
    await ann.sign_in(site.id, AUTHOR)
    await expect(ann.page.get_by_text("Between us.")).to_be_visible()


async def test_open_decisions_are_filtered_by_space_and_turned_around(ann: Visitor, site: Site) -> None:
    workflow = await site.workflow(step(approvers(ANN)))
    await site.submit("80", workflow)
    await site.submit("81", workflow)
    names = ann.page.locator(".cards a")
    await ann.go("/")
    await expect(names).to_have_text([re.compile("Page 80"), re.compile("Page 81")])
    await ann.page.get_by_label("Order").select_option("newest")
    await ann.page.get_by_role("button", name="Show", exact=True).click()
    await expect(names).to_have_text([re.compile("Page 81"), re.compile("Page 80")])
    await ann.page.get_by_role("textbox", name="Space").fill("elsewhere")
    await ann.page.get_by_role("button", name="Show", exact=True).click()
    await expect(ann.page.get_by_text("Nothing waits for you in this space")).to_be_visible()
    await ann.page.get_by_role("textbox", name="Space").fill(SPACE)
    await ann.page.get_by_role("button", name="Show", exact=True).click()
    await expect(names).to_have_count(2)
