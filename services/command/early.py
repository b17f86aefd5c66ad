"""The early guard: the same pure rules that ``decision`` applies, to what can be read now.

What is read may be behind the log. A refusal that what is still on its way could turn around is left to ``decision``.
"""

from datetime import datetime
from uuid import UUID

from services.command import store
from services.command.database import Database
from services.known import store as known_store
from services.known.store import Wanted
from services.rules import guards
from services.rules.state import Known, Page
from shared.contracts import commands as c
from shared.contracts.reasons import Reason

_ALWAYS = (c.SetLicence, c.RecordGroupMembers, c.RecordSpaceAdmins, c.RecordWorkflowOwners, c.ReleaseQuarantine)
"""Judged by ``decision`` alone, and whatever the licence."""
PAGE = (c.SubmitApproval, c.RecordDecision, c.ResetApproval, c.CancelApproval)
_UNSURE = frozenset(
    {
        Reason.NOT_FOUND,
        Reason.WORKFLOW_NOT_ASSIGNED,
        Reason.FACTS_STALE,
        Reason.APPROVAL_OPEN,
        Reason.APPROVAL_CLOSED,
        Reason.PAGE_UNAVAILABLE,
    }
)


async def refusal(database: Database, command: c.SiteCommand, command_id: UUID, oldest: datetime) -> Reason | None:
    """Why the command would be refused, if that is certain; ``oldest`` is the age beyond which facts allow nothing.

    One that has its outcome, accepted when its key could not be claimed, is not refused for what it did itself.

    :raises Away: the database does not say.
    """
    account, page = command.caller.account_id, None
    async with database.connection(command.site_id) as db:
        if isinstance(command, c.PageCommand):
            page = await known_store.page(db, command.site_id, command.page_id, account)
        known = await known_store.known(db, _wanted(command, page), oldest)
        reason = judge(command, page, known)
        return None if reason is not None and await store.decided(db, command_id) else reason


def _wanted(command: c.SiteCommand, page: Page | None) -> Wanted:
    site, account = command.site_id, command.caller.account_id
    if isinstance(command, c.SubmitApproval):
        return Wanted(site, account, command.workflow_id, None, command.space_id, command.page_id)
    if isinstance(command, c.PageCommand):
        if page is None or page.approval is None:
            return Wanted(site, account)
        return Wanted(site, account, page.approval.workflow_id, page.approval.workflow_version, page.space_id)
    if isinstance(command, c.CreateWorkflow):
        return Wanted(site, account, command.workflow_id, None, command.space_id)
    return Wanted(site, account, command.workflow_id if isinstance(command, c.WorkflowCommand) else None)


def judge(command: c.SiteCommand, page: Page | None, known: Known) -> Reason | None:
    """The certain refusals. With no licence nothing else needs to be known."""
    if isinstance(command, _ALWAYS):
        return None
    if reason := guards.licence(command.caller, known.licence_active):
        return reason if known.licence_active is not None or command.caller.licence != "unknown" else None
    if isinstance(command, c.PageCommand):
        reason = None if page is None else _page(command, page, known)
    else:
        reason = _workflow(command, known)
    if reason is Reason.NOT_PERMITTED and known.space.admins_read_at is None:
        return None
    return None if reason in _UNSURE or _ahead(command, page, known) else reason


def _page(command: c.PageCommand, page: Page, known: Known) -> Reason | None:
    if isinstance(command, c.SubmitApproval):
        return guards.submit(command, page, known)
    if isinstance(command, c.RecordDecision):
        return guards.decide(command, page, known)
    if isinstance(command, c.ResetApproval):
        return guards.reset(command, page, known)
    return guards.cancel(command, page, known) if isinstance(command, c.CancelApproval) else None


def _workflow(command: c.SiteCommand, known: Known) -> Reason | None:
    if isinstance(command, c.CreateWorkflow):
        return guards.space_admin(command.caller, known)
    if known.workflow is None:
        return None
    if reason := guards.owner_or_admin(command.caller, known.workflow, known):
        return reason
    if known.workflow.archived:
        return Reason.WORKFLOW_ARCHIVED
    expected = getattr(command, "expected_version", None)
    return None if expected in (None, known.workflow.version) else Reason.VERSION_CONFLICT


def _ahead(command: c.SiteCommand, page: Page | None, known: Known) -> bool:
    """Does the caller name something newer than what was read?"""
    record = page if page is not None else known.workflow
    expected: int | None = getattr(command, "expected_version", None)
    if expected is not None and expected > (record.version if record is not None else 0):
        return True
    if page is not None and isinstance(command, c.SubmitApproval):
        return command.page_version > (page.page_version or 0)
    if page is None or not isinstance(command, c.RecordDecision):
        return False
    return page.approval is not None and command.page_version > page.approval.page_version
