"""What the people and the app of one site do, each a request or a few."""

import asyncio
from collections.abc import Collection
from typing import Any

from services.local.issuer import LicenceSaid
from services.local.site.bodies import Hook, page_hook, space_hook
from services.local.site.client import Ask, Client
from services.local.site.tally import APPLIED
from services.local.site.world import Page, Site

COMMENT = "The second table is last year's."
_PATIENCE = 20.0


class People:
    """Everybody on one site. Roles are those of ``world.ROLES``; the app itself has none."""

    def __init__(self, client: Client, site: Site) -> None:
        self.client = client
        self.site = site

    async def ask(
        self, role: str | None, method: str, path: str, body: dict[str, Any] | bytes, *expected: str, **more: Any,
    ) -> dict[str, Any]:
        """A command by somebody, expected to be applied unless said otherwise."""
        account = None if role is None else self.site.people[role]
        return await self.client.command(self.site, Ask(method, path, body, account, **more), expected or (APPLIED,))

    async def prepare(self) -> None:
        """The app tells who administers both spaces and who reviews; an admin makes the workflow and assigns it."""
        read_at = self.site.tick().isoformat()
        if self.site.kind == "connect":
            await self.ask(None, "PUT", "/v1/licence", {"active": True, "read_at": read_at})
        for space in (self.site.space, self.site.other_space):
            admins = {"admins": [self.site.people["admin"]], "read_at": read_at}
            await self.ask(None, "PUT", f"/v1/directory/spaces/{space}/admins", admins)
        members = {"members": [self.site.people["nora"], self.site.people["otto"]], "read_at": read_at}
        await self.ask(None, "PUT", f"/v1/directory/groups/{self.site.group}", members)
        self.site.workflow = await self.workflow(self.site.space)
        await self.ask("admin", "PUT", f"/v1/workflows/{self.site.workflow}/assignments/space/{self.site.space}", {})

    async def workflow(self, space: str) -> str:
        """A new one: two of three review, then one releases."""
        answer = await self.ask("admin", "POST", "/v1/workflows", {"space_id": space, "definition": self.definition()})
        return str(answer["workflow_id"])

    def definition(self) -> dict[str, Any]:
        """Two of three review, one of them by group; then one releases."""
        people = self.site.people
        review = [{"kind": "account", "id": people[role]} for role in ("lena", "milo")]
        return {"name": "Policies", "owners": [people["otto"]], "on_edit": "reset", "four_eyes": True, "steps": [
            {"name": "Review", "rule": {"kind": "quorum", "n": 2}, "approvers": [*review, {"kind": "group", "id": self.site.group}]},
            {"name": "Release", "rule": {"kind": "all"}, "approvers": [{"kind": "account", "id": people["release"]}]},
        ]}

    async def happens(self, page: Page, change: str, role: str = "author", times: int = 1) -> Hook:
        """Something happens to a page, and the site tells of it, perhaps more than once."""
        if change == "updated":
            page.version += 1
        hook = page_hook(self.site, page, change, self.site.people[role], self.site.tick())
        for _ in range(times):
            await self.client.hook(self.site, hook)
        return hook

    async def space_goes(self, space: str) -> None:
        """A space is removed; its pages are not spoken of."""
        await self.client.hook(self.site, space_hook(self.site, space, "removed", self.site.people["admin"], self.site.tick()))

    async def new_page(self, author: str = "author", space: str | None = None) -> Page:
        """A page is created."""
        page = self.site.page(author, space)
        await self.happens(page, "created", author)
        return page

    async def submit(self, page: Page, *expected: str, workflow: str | None = None, **more: Any) -> str:
        """The author asks for approval; the approval's id, empty when that was refused."""
        body = {"page_version": page.version, "space_id": page.space, "workflow_id": workflow or self.site.workflow}
        answer = await self.ask("author", "POST", f"/v1/pages/{page.id}/approvals", body, *expected, **more)
        return str(answer.get("approval_id") or "")

    async def decide(
        self, role: str, approval: str, page_version: int, *expected: str, verdict: str = "approve",
        comment: str | None = None, licence: LicenceSaid = "active", key: str | None = None,
    ) -> str:
        """Somebody decides; what became of it."""
        body = {"page_version": page_version, "verdict": verdict} | ({"comment": comment} if comment else {})
        path = f"/v1/approvals/{approval}/decisions"
        answer = await self.ask(role, "POST", path, body, *expected, licence=licence, key=key)
        return str(answer["became"])

    async def together(self, roles: Collection[str], approval: str, page_version: int, expected: Collection[str]) -> None:
        """Several decide at the same moment."""
        became = await asyncio.gather(*(self.decide(role, approval, page_version, *set(expected)) for role in roles))
        self.client.tally.together(f"approval {approval} on {self.site.id}", became, expected)

    async def until_closed(self, approval: str) -> None:
        """What reaches a page by way of its space or workflow takes a moment: ask until it has.

        A vote on a version that never was is refused either way, and says by its reason whether the approval still runs.

        :raises TimeoutError: it did not end.
        """
        async with asyncio.timeout(_PATIENCE):
            while await self.decide("lena", approval, 999, "page_version_stale", "approval_closed") != "approval_closed":
                await asyncio.sleep(0.05)
