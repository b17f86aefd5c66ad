"""Scripted situations, each on pages of its own: what must be refused, and what must not be."""

import asyncio

from services.local.site.bodies import Hook, page_hook
from services.local.site.people import COMMENT, People

OVERSIZE = b'{"page_version": 1, "verdict": "approve", "comment": "' + b"x" * (300 * 1024) + b'"}'


async def tell(people: People) -> None:
    """All of them on one site, at the same time."""
    async with asyncio.TaskGroup() as group:
        for scene in SCENES:
            group.create_task(scene(people))


async def an_edit_starts_again(p: People) -> None:
    """A vote on the version before is stale; the event told twice changes nothing the second time."""
    page = await p.new_page()
    approval = await p.submit(page)
    await p.decide("lena", approval, 1)
    await p.happens(page, "updated", "author", times=2)
    await p.decide("milo", approval, 1, "page_version_stale")
    await p.together(("lena", "milo"), approval, 2, ("applied", "applied"))
    await p.decide("release", approval, 2)
    await p.decide("release", approval, 2, "approval_closed")


async def the_wrong_people(p: People) -> None:
    """Not an approver, the author, somebody of a later step, and nobody at all."""
    page = await p.new_page("lena")
    approval = await p.submit(page)
    await p.decide("stranger", approval, 1, "not_an_approver")
    await p.decide("release", approval, 1, "not_an_approver")
    await p.decide("lena", approval, 1, "four_eyes")
    await p.ask(None, "POST", f"/v1/approvals/{approval}/decisions", {"page_version": 1, "verdict": "approve"}, "not_permitted")
    await p.decide("nora", approval, 1)
    await p.decide("nora", approval, 1, "already_decided")
    await p.ask("stranger", "POST", f"/v1/approvals/{approval}/cancel", {}, "not_permitted")
    await p.ask("otto", "POST", f"/v1/approvals/{approval}/reset", {})
    await p.ask("admin", "POST", f"/v1/approvals/{approval}/cancel", {})


async def the_same_key_again(p: People) -> None:
    """The same request has the same outcome; another under its key is refused."""
    page, key = await p.new_page(), p.client.new_key()
    approval = await p.submit(page)
    await p.decide("lena", approval, 1, key=key)
    await p.decide("lena", approval, 1, key=key)
    await p.decide("lena", approval, 1, "idempotency_key_reused", key=key, comment=COMMENT)


async def a_rejection_says_why(p: People) -> None:
    """Without words it is refused; with them the approval ends, and a new one may begin."""
    page = await p.new_page()
    approval = await p.submit(page)
    await p.decide("milo", approval, 1, "comment_required", verdict="reject")
    await p.decide("milo", approval, 1, verdict="reject", comment=COMMENT)
    await p.decide("lena", approval, 1, "approval_closed")
    await p.decide("lena", await p.submit(page), 1)


async def a_lapsed_licence(p: People) -> None:
    """Nothing may change until it is paid."""
    page = await p.new_page()
    await p.submit(page, "licence_inactive", licence="inactive")
    approval = await p.submit(page)
    await p.decide("lena", approval, 1, "licence_inactive", licence="inactive")
    await p.decide("lena", approval, 1)


async def trash_and_back(p: People) -> None:
    """A trashed page's approval is cancelled; restored, it may be submitted again. Moves change nothing."""
    page = await p.new_page()
    approval = await p.submit(page)
    page.space = p.site.other_space
    await p.happens(page, "moved")
    await p.happens(page, "trashed")
    await p.decide("lena", approval, 1, "approval_closed")
    await p.submit(page, "page_unavailable")
    await p.happens(page, "restored")
    await p.decide("lena", await p.submit(page), 1)


async def an_archived_workflow(p: People) -> None:
    """Its open approvals end one by one, and it takes no more."""
    workflow = await p.workflow(p.site.space)
    page, other = await p.new_page(), await p.new_page()
    approval = await p.submit(page, workflow=workflow)
    await p.ask("stranger", "DELETE", f"/v1/workflows/{workflow}", {}, "not_permitted")
    await p.ask("otto", "DELETE", f"/v1/workflows/{workflow}", {})
    await p.submit(other, "workflow_archived", workflow=workflow)
    await p.until_closed(approval)


async def a_removed_space(p: People) -> None:
    """No page event is sent, yet every approval in it ends."""
    gone = str(int(p.site.space) + 1)
    admins = {"admins": [p.site.people["admin"]], "read_at": p.site.tick().isoformat()}
    await p.ask(None, "PUT", f"/v1/directory/spaces/{gone}/admins", admins)
    workflow = await p.workflow(gone)
    pages = [await p.new_page(space=gone) for _ in range(5)]
    approvals = [await p.submit(page, workflow=workflow) for page in pages]
    await p.space_goes(gone)
    for approval in approvals:
        await p.until_closed(approval)
    await p.submit(await p.new_page(space=gone), "space_removed", workflow=workflow)


async def what_nobody_should_send(p: People) -> None:
    """Forged, oversize and malformed, as webhooks and as commands; and events that are none of our business."""
    page = await p.new_page()
    approval = await p.submit(page)
    path = f"/v1/approvals/{approval}/decisions"
    await p.ask("lena", "POST", path, OVERSIZE, "too_large")
    await p.ask("lena", "POST", path, b'{"page_version": 1, ', "malformed")
    await p.ask("lena", "POST", path, {"page_version": 1, "verdict": "maybe"}, "malformed")
    hook = page_hook(p.site, page, "updated", p.site.people["author"], p.site.tick())
    await p.client.hook(p.site, hook, "401", forged=True)
    await p.client.hook(p.site, hook, "413", raw=OVERSIZE)
    await p.client.hook(p.site, hook, "422", raw=b"[]")
    named = {"forge": hook.path, "connect": "/webhooks/connect/label_added"}.get(p.site.kind, hook.path)
    await p.client.hook(p.site, Hook(named, {"eventType": "avi:confluence:added:label", "event": "label_added"}), "200")
    await p.decide("lena", approval, 1)


SCENES = (
    an_edit_starts_again, the_wrong_people, the_same_key_again, a_rejection_says_why, a_lapsed_licence, trash_and_back,
    an_archived_workflow, a_removed_space, what_nobody_should_send,
)
