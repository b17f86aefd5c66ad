"""Pure: bodies of Connect and Data Center webhooks, which share their field names, old and new."""

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
    milliseconds,
    section,
    translated,
    version_of,
)
from shared.contracts.base import Caller
from shared.contracts.facts import PageChange, PageChanged, SpaceChanged
from shared.contracts.reasons import Reason
from shared.problems import Refusal

_EDITS = (PageChange.CREATED, PageChange.UPDATED, PageChange.PUBLISHED)


def translate_connect(event: str, body: Body, site_id: str, caller: Caller, now: datetime) -> Translation:
    """A Connect body, whose event only the URL names; also Automation rules and forwarders that post the same shape.

    :raises Refusal: it is an event we know, with a field that cannot be.
    """
    common = {"site_id": site_id, "caller": caller}
    kind, _, verb = event.partition("_")
    if kind in ("page", "blog") and verb in PAGE_CHANGES:
        return _page(body, kind, PAGE_CHANGES[verb], common, now)
    if kind == "space" and verb in SPACE_CHANGES:
        return _space(body, SPACE_CHANGES[verb], common, now)
    return Translation(family(event))


def translate_data_center(body: Body, site_id: str, caller: Caller, now: datetime) -> Translation:
    """A Data Center body: ``event`` inside, ids only by default, people by user key.

    Its signature never expires, so that it is not an old one sent again only its own time can tell.

    :raises Refusal: it is an event we know, with a field that cannot be, or without its time.
    """
    event = body.get("event", "")
    if not isinstance(event, str):
        raise Refusal(Reason.MALFORMED, "/event")
    found = translate_connect(event, body, site_id, caller, now)
    if found.fact is not None and body.get("timestamp") is None:
        raise Refusal(Reason.MALFORMED, "/timestamp")
    return found


def _page(body: Body, key: str, change: PageChange, common: dict[str, Any], now: datetime) -> Translation:
    page = section(body, key) or section(body, "page")
    actor = account(body.get("userAccountId"), body.get("userKey"))
    editor = account(page.get("lastModifierAccountId"), page.get("lastModifierKey"))
    author = account(page.get("creatorAccountId"), page.get("creatorKey"))
    where = f"/{key}"
    fields = common | {
        "page_id": first_identifier((page.get("idAsString"), where + "/idAsString"), (page.get("id"), where + "/id")),
        "change": change,
        "page_version": version_of(page.get("version"), where + "/version"),
        "space_id": _space_of(page, body, where),
        "author_id": author or (actor if change is PageChange.CREATED else None),
        "editor_id": editor or (actor if change in _EDITS else None),
    }
    return translated(f"page_{change}", PageChanged, milliseconds(body.get("timestamp"), "/timestamp"), now, fields)


def _space_of(page: Body, body: Body, where: str) -> str | None:
    own, beside = section(page, "space"), section(body, "space")
    return first_identifier(
        (page.get("spaceId"), where + "/spaceId"),
        (own.get("id"), where + "/space/id"),
        (beside.get("id"), "/space/id"),
        (page.get("spaceKey"), where + "/spaceKey"),
        (own.get("key"), where + "/space/key"),
        (beside.get("key"), "/space/key"),
    )


def _space(body: Body, change: str, common: dict[str, Any], now: datetime) -> Translation:
    space = section(body, "space")
    fields = common | {
        "space_id": first_identifier(
            (space.get("idAsString"), "/space/idAsString"),
            (space.get("id"), "/space/id"),
            (space.get("key"), "/space/key"),
        ),
        "change": change,
    }
    return translated(f"space_{change}", SpaceChanged, milliseconds(body.get("timestamp"), "/timestamp"), now, fields)
