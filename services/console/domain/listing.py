"""Pure: how what is listed is found and put in order."""

from enum import StrEnum


class Index(StrEnum):
    """How audit entries are found."""

    TIME = "time"
    PAGES = "pages"
    SPACES = "spaces"
    WORKFLOWS = "workflows"
    ACTORS = "actors"


class Order(StrEnum):
    """Which entries come first."""

    NEWEST = "newest"
    OLDEST = "oldest"
