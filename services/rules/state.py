"""What the guards look at: a page with its current approval, a workflow, and what the directory says of a caller."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from shared.contracts.events import Status
from shared.contracts.workflow import Definition

PageState = Literal["current", "archived", "trashed", "removed"]


class Approval(NamedTuple):
    """One run of a workflow for one page at one page version.

    ``approvals`` counts the people who approved on the active step and bit *i* of ``seats`` says that approver *i* of
    it has spoken: enough to tell whether a person named there has decided. A group's seat does not say who filled it, so
    ``decided`` holds those who decided on the active step among the group members asked about: a reader loads it for the
    callers at hand, so that an approval costs the same with a thousand approvers.
    """

    run: int
    workflow_id: str
    workflow_version: int
    page_version: int
    submitted_at: datetime
    status: Status = Status.OPEN
    step: int = 0
    round: int = 1
    approvals: int = 0
    seats: int = 0
    decided: frozenset[str] = frozenset()


class Page(NamedTuple):
    """A page as last heard of. ``version`` rises by one with each applied command or fact; 0: never heard of."""

    site_id: str
    page_id: str
    version: int = 0
    page_version: int | None = None
    space_id: str | None = None
    state: PageState = "current"
    state_at: datetime | None = None
    edited_at: datetime | None = None
    author_id: str | None = None
    editor_id: str | None = None
    space_at: datetime | None = None
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow's present record. ``owners_read_at`` is set when the owners were pushed as facts, which age."""

    site_id: str
    workflow_id: str
    version: int
    workflow_version: int
    space_id: str
    archived: bool
    owners: frozenset[str]
    owners_read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """What is known of a space."""

    removed_at: datetime | None = None
    admins: frozenset[str] = frozenset()
    admins_read_at: datetime | None = None


class Known(NamedTuple):
    """What the directory and the workflows say, as far as one command needs it.

    ``groups`` maps each group the caller is in to when its membership was read. ``oldest`` is the time before which
    facts are too old to allow anything.
    """

    oldest: datetime
    space: Space = Space()
    groups: tuple[tuple[str, datetime], ...] = ()
    workflow: Workflow | None = None
    definition: Definition | None = None
    licence_active: bool | None = None


def approval_id(page_id: str, run: int) -> str:
    """An approval is named after its page and which run of a workflow it is there, counted from 1."""
    return f"{page_id}-{run}"


def page_of(approval: str) -> tuple[str, int]:
    """The page and run an approval id names.

    :raises ValueError: it is not of that form.
    """
    page_id, separator, run = approval.rpartition("-")
    if not separator or not page_id or not run.isascii() or not run.isdigit() or len(run) > 9 or run.startswith("0"):
        raise ValueError("not an approval id")
    return page_id, int(run)
