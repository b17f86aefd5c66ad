"""One Confluence site, whose app and people speak to the system over HTTP as Forge has them."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from services.local.supervisor import Stack
from shared.clock import now

SPACE = "4711"
ADMIN, AUTHOR, ANN, BOB, CAROL = "712020:dora", "712020:art", "712020:ann", "712020:bob", "712020:carol"


def approvers(*ids: str, kind: str = "account") -> list[dict[str, str]]:
    """Approvers of a step."""
    return [{"kind": kind, "id": each} for each in ids]


def step(people: list[dict[str, str]], rule: str = "all") -> dict[str, Any]:
    """A step of a workflow."""
    return {"name": "review", "approvers": people, "rule": {"kind": rule}}


@dataclass(frozen=True, slots=True)
class Site:
    """``client`` has no base address: a request goes to the service that it is for."""

    stack: Stack
    client: httpx.AsyncClient
    id: str

    async def send(
        self, method: str, path: str, body: Any, account: str | None, *, key: str | None = None, wait: int = 10, **headers: str,
    ) -> httpx.Response:
        """A command, under a key of its own unless one is given; the app's own without an account."""
        named = {"Authorization": f"Bearer {self.stack.issuer.forge(self.id, account)}", "Idempotency-Key": key or str(uuid4())}
        named |= {"Prefer": f"wait={wait}"} if wait else {}
        return await self.client.request(method, self.stack.address("command") + path, json=body, headers=named | headers)

    async def done(self, method: str, path: str, body: Any, account: str | None) -> dict[str, Any]:
        """A command that must be applied: its outcome."""
        response = await self.send(method, path, body, account)
        assert response.status_code == 200, response.text
        outcome: dict[str, Any] = response.json()
        return outcome

    async def hook(self, change: str, page_id: str, version: int, editor: str = AUTHOR) -> httpx.Response:
        """A page event, as Forge sends it."""
        content = {
            "id": page_id, "type": "page", "title": "Travel", "space": {"id": int(SPACE)},
            "version": {"number": version, "by": {"accountId": editor}},
        }
        body = {
            "eventType": f"avi:confluence:{change}:page", "atlassianId": editor, "eventCreatedDate": now().isoformat(),
            "content": content,
        }
        named = {"Authorization": f"Bearer {self.stack.issuer.forge(self.id)}"}
        return await self.client.post(self.stack.address("command") + "/webhooks/forge", json=body, headers=named)

    async def read(self, path: str, account: str | None = None) -> httpx.Response:
        """What console answers to a person, or to the app itself."""
        named = {"Authorization": f"Bearer {self.stack.issuer.forge(self.id, account)}"}
        return await self.client.get(self.stack.address("console") + path, headers=named)

    async def prepare(self) -> None:
        """The app tells who administers the space."""
        admins = {"admins": [ADMIN], "read_at": now().isoformat()}
        await self.done("PUT", f"/v1/directory/spaces/{SPACE}/admins", admins, None)

    async def workflow(self, *steps: dict[str, Any], **definition: Any) -> str:
        """A new workflow of the space: its id."""
        body = {"space_id": SPACE, "definition": {"name": "Policies", "steps": steps, **definition}}
        return str((await self.done("POST", "/v1/workflows", body, ADMIN))["workflow_id"])

    async def submit(self, page_id: str, workflow_id: str, version: int = 1) -> str:
        """The author puts a page version up for approval: the approval's id."""
        body = {"page_version": version, "space_id": SPACE, "workflow_id": workflow_id}
        return str((await self.done("POST", f"/v1/pages/{page_id}/approvals", body, AUTHOR))["approval_id"])

    async def approve(self, approval_id: str, account: str, version: int = 1, **options: Any) -> httpx.Response:
        """A person approves."""
        body = {"page_version": version, "verdict": "approve"}
        return await self.send("POST", f"/v1/approvals/{approval_id}/decisions", body, account, **options)


def refused(response: httpx.Response, status: int, reason: str) -> None:
    """Fail unless it was refused, and for this reason."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), response.text
    assert response.json()["reason"] == reason
