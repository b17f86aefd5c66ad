"""Pure: bodies that a Forge app's remote is sent."""

from datetime import datetime
from typing import Any

from services.command.domain import (
    PAGE_CHANGES,
    SPACE_CHANGES,
    Body,
    Translation,
    account,
    family,
    first_identifier,
    identifier,
    iso,
    section,
    translated,
    version_of,
)
from shared.contracts.base import Caller
from shared.contracts.facts import AppChanged, PageChange, PageChanged, SpaceChanged
from shared.contracts.reasons import Reason
from shared.problems import Refusal

CONTENT = ("page", "blogpost")
_EDITS = (PageChange.CREATED, PageChange.UPDATED, PageChange.PUBLISHED)


def translate(body: Body, site_id: str, caller: Caller, now: datetime) -> Translation:
    """Whichever of its shapes this is, into a fact; an event we do not know is let be.

    :raises Refusal: it is an event we know, with a field that cannot be; or it is about another site.
    """
    inner = body.get("payload")
    if "eventType" not in body and isinstance(inner, dict) and "eventType" in inner:
        body = inner
    _own(body, site_id)
    common = {"site_id": site_id, "caller": caller}
    name = body.get("eventType")
    if name is None:
        return _unnamed(body, common, now)
    if not isinstance(name, str):
        raise Refusal(Reason.MALFORMED, "/eventType")
    parts = name.split(":")
    if name in ("avi:forge:installed:app", "avi:forge:uninstalled:app"):
        return _app(parts[2], common, now)
    if len(parts) < 4 or parts[:2] != ["avi", "confluence"]:
        return Translation(family(name))
    verb, kind = parts[2], parts[3]
    if kind in CONTENT and verb in PAGE_CHANGES:
        return page(body, PAGE_CHANGES[verb], common, now)
    if kind == "space" and verb in SPACE_CHANGES:
        return space(body, SPACE_CHANGES[verb], common, now)
    return Translation(family(kind))


def page(body: Body, change: PageChange, common: dict[str, Any], now: datetime) -> Translation:
    """A page, blog post or live document: everything is under ``content``."""
    content = section(body, "content")
    editor = account(section(content, "version", "by").get("accountId"))
    actor = account(body.get("atlassianId"))
    fields = common | {
        "page_id": identifier(content.get("id"), "/content/id"),
        "change": change,
        "page_version": version_of(content.get("version"), "/content/version/number"),
        "space_id": _space_id(section(content, "space"), "/content/space"),
        "author_id": account(section(content, "history", "createdBy").get("accountId")),
        "editor_id": editor or (actor if change in _EDITS else None),
    }
    return translated(f"page_{change}", PageChanged, iso(body.get("eventCreatedDate"), "/eventCreatedDate"), now, fields)


def space(body: Body, change: str, common: dict[str, Any], now: datetime) -> Translation:
    """A space; the name of its events ends in ``:V2``."""
    fields = common | {"space_id": _space_id(section(body, "space"), "/space"), "change": change}
    at = iso(body.get("eventCreatedDate"), "/eventCreatedDate")
    return translated(f"space_{change}", SpaceChanged, at, now, fields)


def _space_id(value: Body, field: str) -> str | None:
    return first_identifier((value.get("id"), field + "/id"), (value.get("key"), field + "/key"))


def _own(body: Body, site_id: str) -> None:
    """A body that names a site must name the token's."""
    context = body.get("context")
    said = context.get("cloudId") if isinstance(context, dict) else body.get("cloudId")
    if said is not None and said != site_id:
        raise Refusal(Reason.SITE_MISMATCH, "/context/cloudId" if isinstance(context, dict) else "/cloudId")


def _unnamed(body: Body, common: dict[str, Any], now: datetime) -> Translation:
    """Two lifecycle bodies name no event: an installation says who installed it, a removal brings a context token."""
    if "installerAccountId" in body:
        return _app("installed", common, now)
    if "contextToken" in body:
        return _app("uninstalled", common, now)
    return Translation("other")


def _app(change: str, common: dict[str, Any], now: datetime) -> Translation:
    return translated(f"app_{change}", AppChanged, None, now, common | {"change": change})
