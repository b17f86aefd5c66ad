"""What each platform posts when something happens to a page or a space: three shapes, not alike."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.local.site.world import Page, Site

_EPOCH = datetime.fromtimestamp(0, UTC)
TITLE = "Travel expenses, second draft"
_FORGE_SPACE = {"removed": "avi:confluence:deleted:space:V2", "created": "avi:confluence:created:space:V2"}


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook: where it is posted, relative to the service, and its body."""

    path: str
    body: dict[str, Any]
    told: tuple[str, int] | None = None
    """The page that it is about, and when that was in Unix milliseconds."""


def page_hook(site: Site, page: Page, change: str, actor: str, at: datetime) -> Hook:
    """Something happened to a page."""
    told = page.id, _ms(at)
    if site.kind == "forge":
        return Hook("/webhooks/forge", _forge_page(page, change, actor, at), told)
    if site.kind == "connect":
        return Hook(f"/webhooks/connect/page_{change}", _cloud_page(page, actor, at), told)
    body = {"timestamp": _ms(at), "event": f"page_{change}", "userKey": actor, "page": {"id": int(page.id)}}
    return Hook(f"/webhooks/data-center?site={site.id}", body, told)


def space_hook(site: Site, space: str, change: str, actor: str, at: datetime) -> Hook:
    """Something happened to a space."""
    if site.kind == "forge":
        return Hook("/webhooks/forge", {
            "eventType": _FORGE_SPACE[change], "atlassianId": actor, "eventCreatedDate": at.isoformat(),
            "space": {"id": int(space), "key": "TR", "type": "global"},
        })
    body: dict[str, Any] = {"timestamp": _ms(at), "space": {"id": int(space), "key": "TR"}}
    if site.kind == "connect":
        return Hook(f"/webhooks/connect/space_{change}", body | {"userAccountId": actor})
    return Hook(f"/webhooks/data-center?site={site.id}", body | {"event": f"space_{change}", "userKey": actor})


def _forge_page(page: Page, change: str, actor: str, at: datetime) -> dict[str, Any]:
    return {
        "eventType": f"avi:confluence:{change}:page", "atlassianId": actor, "eventCreatedDate": at.isoformat(),
        "suppressNotifications": False, "selfGenerated": False,
        "content": {
            "id": page.id, "type": "page", "status": "current", "title": TITLE,
            "space": {"id": int(page.space), "key": "TR", "name": "Travel", "type": "global"},
            "history": {"latest": True, "createdBy": {"type": "known", "accountId": page.author}},
            "version": {"by": {"type": "known", "accountId": actor}, "when": at.isoformat(), "number": page.version},
        },
    }


def _cloud_page(page: Page, actor: str, at: datetime) -> dict[str, Any]:
    return {
        "page": {
            "idAsString": page.id, "id": int(page.id), "spaceKey": "TR", "spaceId": int(page.space), "title": TITLE,
            "creatorAccountId": page.author, "lastModifierAccountId": actor, "modificationDate": _ms(at),
            "contentType": "page", "version": page.version,
        },
        "userAccountId": actor, "accountType": "customer", "timestamp": _ms(at), "updateTrigger": "edit_page",
    }


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
