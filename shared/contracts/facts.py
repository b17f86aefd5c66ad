"""What Confluence told us, once translated from whichever shape it came in."""

from enum import StrEnum
from typing import Literal

from shared.contracts.base import AccountId, Caller, Moment, ObjectId, PageVersion, Read, SiteId


class Fact(Read):
    """Something true of a site at ``happened_at`` (Confluence's clock)."""

    site_id: SiteId
    caller: Caller
    happened_at: Moment


class PageChange(StrEnum):
    """What happened to a page or blog post."""

    CREATED = "created"
    UPDATED = "updated"
    PUBLISHED = "published"
    MOVED = "moved"
    TRASHED = "trashed"
    RESTORED = "restored"
    REMOVED = "removed"
    ARCHIVED = "archived"
    UNARCHIVED = "unarchived"


class PageChanged(Fact):
    """A page event. ``page_version``, ``space_id`` and the people may be missing (Data Center sends ids only)."""

    page_id: ObjectId
    change: PageChange
    page_version: PageVersion | None = None
    space_id: ObjectId | None = None
    author_id: AccountId | None = None
    editor_id: AccountId | None = None


class SpaceChanged(Fact):
    """A space event; Confluence sends none for the pages of a removed space."""

    space_id: ObjectId
    change: Literal["created", "updated", "removed"]


class AppChanged(Fact):
    """The app was installed on a site or removed from it."""

    change: Literal["installed", "uninstalled"]
