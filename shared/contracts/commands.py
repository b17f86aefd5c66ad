"""What may be asked. Each command's key (see ``topics``) decides which others it is ordered with."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from shared.contracts.base import AccountId, Caller, Command, ExpectedVersion, Moment, ObjectId, PageVersion, SiteId, Text
from shared.contracts.workflow import Definition


class SiteCommand(Command):
    """Every command names its site and carries what the caller's token proved."""

    site_id: SiteId
    caller: Caller


class PageCommand(SiteCommand):
    """Ordered with everything else about its page."""

    page_id: ObjectId


class SubmitApproval(PageCommand):
    """Start an approval of ``page_version``; without a workflow, the one assigned to the page, else to its space."""

    page_version: PageVersion
    space_id: ObjectId
    workflow_id: ObjectId | None = None


class Verdict(StrEnum):
    """What an approver says."""

    APPROVE = "approve"
    REJECT = "reject"


class Comment(Command):
    """A person's words, and the salt (hex) under which only their digest reaches the audit log."""

    text: Text
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")


class RecordDecision(PageCommand):
    """One approver's verdict on the active step."""

    approval_id: ObjectId
    page_version: PageVersion
    verdict: Verdict
    comment: Comment | None = None
    expected_version: ExpectedVersion | None = None


class ResetApproval(PageCommand):
    """Back to step one at the page's present version."""

    approval_id: ObjectId
    expected_version: ExpectedVersion | None = None


class CancelCause(StrEnum):
    """Why an approval was ended without a verdict."""

    COMMAND = "command"
    EDITED = "edited"
    TRASHED = "trashed"
    ARCHIVED = "archived"
    REMOVED = "removed"
    SPACE_REMOVED = "space_removed"
    WORKFLOW_ARCHIVED = "workflow_archived"
    UNINSTALLED = "uninstalled"


class CancelApproval(PageCommand):
    """End an open approval without a verdict."""

    approval_id: ObjectId
    cause: CancelCause = CancelCause.COMMAND
    expected_version: ExpectedVersion | None = None


class WorkflowCommand(SiteCommand):
    """Ordered with everything else about its workflow."""

    workflow_id: ObjectId


class CreateWorkflow(WorkflowCommand):
    """Add a workflow to a space."""

    space_id: ObjectId
    definition: Definition


class ChangeWorkflow(WorkflowCommand):
    """Give a workflow its next definition; open approvals keep theirs."""

    definition: Definition
    expected_version: ExpectedVersion | None = None


class ArchiveWorkflow(WorkflowCommand):
    """Retire a workflow; its open approvals are cancelled one by one."""

    expected_version: ExpectedVersion | None = None


class AssignWorkflow(WorkflowCommand):
    """Make a workflow the one for a page, or for all pages of a space."""

    scope: Literal["page", "space"]
    scope_id: ObjectId


class RecordWorkflowOwners(WorkflowCommand):
    """Who owns a workflow, as the upstream app read it."""

    owners: tuple[AccountId, ...] = Field(max_length=100)
    read_at: Moment


class RecordSpaceAdmins(SiteCommand):
    """Who administers a space, as the upstream app read it."""

    space_id: ObjectId
    admins: tuple[AccountId, ...] = Field(max_length=10_000)
    read_at: Moment


class RecordGroupMembers(SiteCommand):
    """Who is in a group, as the upstream app read it."""

    group_id: ObjectId
    members: tuple[AccountId, ...] = Field(max_length=10_000)
    read_at: Moment


class SetLicence(SiteCommand):
    """The licence of a site whose platform does not carry it in the token."""

    active: bool
    read_at: Moment


class CancelApprovals(SiteCommand):
    """Cancel the open approvals of a space, a workflow or a site, a bounded number at a time.

    Issued by ``decision`` only; ``after`` is the page to go on from.
    """

    scope: Literal["space", "workflow", "site"]
    scope_id: ObjectId
    cause: CancelCause
    after: str = Field(default="", pattern=r"^[^\x00]{0,128}$")


class ReleaseQuarantine(SiteCommand):
    """Handle again, in order, what waits under this record's key.

    With ``set_aside`` the first one waiting, which can never be read, stays kept but holds nobody up.
    """

    key: str = Field(pattern=r"^[^\x00]*$")
    set_aside: bool = False


class RecordRetention(SiteCommand):
    """What retention removed, so that the removal itself is audited."""

    run_id: str = Field(pattern=r"^[0-9a-f-]{36}$")
    kind: str = Field(pattern=r"^[a-z_]{1,64}$")
    removed: int = Field(ge=0)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    before: Moment
