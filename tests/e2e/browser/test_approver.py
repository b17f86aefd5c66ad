"""What an approver does: finds what waits, sees why, decides, and is told what changed meanwhile."""

from playwright.async_api import expect

from tests.e2e.browser.conftest import Visitor, accessible
from tests.e2e.site import ANN, BOB, CAROL, Site, approvers, step


async def test_a_decision_from_the_list_to_the_history(ann: Visitor, site: Site) -> None:
    workflow = await site.workflow(step(approvers(ANN, BOB)), step(approvers(CAROL), "any"), four_eyes=False)
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
    await ann.picture("approval-decided")
