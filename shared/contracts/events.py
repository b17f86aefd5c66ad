"""What happened: exactly one event for each command, carrying the id of the command that caused it."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.base import AccountId, ObjectId, Read, SiteId
from shared.contracts.commands import CancelCause, Verdict
from shared.contracts.facts import PageChange
from shared.contracts.reasons import Reason


class Status(StrEnum):
    """Where an approval stands."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Event(Read):
    """What each event says: who, when, of what, and the version that resulted.

    ``version`` is that of the page's (or workflow's) record after the command; 0 where none is kept.
    """

    site_id: SiteId
    command_id: str
    occurred_at: AwareDatetime
    actor_id: AccountId | None = None
    version: int = 0
    page_id: ObjectId | None = None
    space_id: ObjectId | None = None
    workflow_id: ObjectId | None = None


class CommandRefused(Event):
    """Nothing changed, and why."""

    command: str
    reason: Reason
    approval_id: ObjectId | None = None


class ApprovalEvent(Event):
    """Something happened to one approval."""

    approval_id: ObjectId
    page_version: int
    status: Status
    step: int
    round: int


class ApprovalSubmitted(ApprovalEvent):
    """An approval began."""

    workflow_version: int


class DecisionRecorded(ApprovalEvent):
    """An approver's verdict counted; ``step`` and ``round`` are those it was given on."""

    verdict: Verdict
    step_completed: bool
    comment_digest: str | None = None


class ApprovalReset(ApprovalEvent):
    """Back to step one."""

    cause: Literal["command", "edited"]


class ApprovalKept(ApprovalEvent):
    """The page was edited and the approval goes on at the new version."""


class ApprovalCancelled(ApprovalEvent):
    """Ended without a verdict."""

    cause: CancelCause


class PageRecorded(Event):
    """A fact changed what is known of a page; no open approval was touched."""

    change: PageChange
    page_version: int | None = None


class WorkflowEvent(Event):
    """Something happened to a workflow."""

    change: Literal["created", "changed", "archived", "assigned", "owners_recorded"]
    workflow_version: int
    scope: Literal["page", "space"] | None = None
    scope_id: ObjectId | None = None
    digest: str | None = None


Kind = Literal["space_admins", "group_members", "licence", "space_removed", "app_installed", "app_uninstalled"]


class FactsRecorded(Event):
    """Directory facts were replaced; the people themselves are only digested."""

    kind: Kind
    subject_id: str
    read_at: AwareDatetime
    count: int = 0
    digest: str | None = None


class ApprovalsCancelling(Event):
    """A batch of cancellations was issued, page by page."""

    scope: Literal["space", "workflow", "site"]
    scope_id: ObjectId
    issued: int
    done: bool


class QuarantineReleased(Event):
    """What waited under a key was handled again."""

    released: int
    remaining: int


class RetentionRecorded(Event):
    """What retention removed."""

    run_id: str
    kind: str
    removed: int
    digest: str
    before: AwareDatetime
