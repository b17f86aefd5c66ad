"""May this caller do this, to what is known? Each guard answers with the reason why not, or None."""

from datetime import datetime

from services.rules.state import Known, Page, Workflow, page_of
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.commands import (
    CancelApproval,
    RecordDecision,
    ResetApproval,
    SubmitApproval,
    Verdict,
)
from shared.contracts.events import Status
from shared.contracts.reasons import Reason
from shared.contracts.workflow import Step


def licence(caller: Caller, stored: bool | None) -> Reason | None:
    """In production a missing, lapsed or unreadable licence refuses every mutation; elsewhere absence is normal.

    ``stored`` is the licence set for the site, which counts where the platform's token carries none.
    """
    if caller.channel is Channel.SYSTEM or caller.environment is not Environment.PRODUCTION:
        return None
    active = stored if caller.licence is Licence.UNKNOWN else caller.licence is Licence.ACTIVE
    return None if active else Reason.LICENCE_INACTIVE


def space_admin(caller: Caller, known: Known) -> Reason | None:
    """Only a person who administers the space, by facts fresh enough."""
    if caller.account_id is None or caller.account_id not in known.space.admins:
        return Reason.NOT_PERMITTED
    return None if _fresh(known.space.admins_read_at, known.oldest) else Reason.FACTS_STALE


def owner_or_admin(caller: Caller, workflow: Workflow | None, known: Known) -> Reason | None:
    """Only an owner of the workflow, or a person who administers its space."""
    if caller.channel is Channel.SYSTEM:
        return None
    if workflow is not None and caller.account_id in workflow.owners:
        if workflow.owners_read_at is None or _fresh(workflow.owners_read_at, known.oldest):
            return None
        return Reason.FACTS_STALE
    return space_admin(caller, known)


def seats_of(step: Step, account_id: str, known: Known) -> tuple[int, Reason | None]:
    """Which approvers of the step this person speaks for, as bits; without any, why not."""
    seats, stale = step.account_seats.get(account_id, 0), False
    for group, read_at in known.groups:
        if seat := step.group_seats.get(group):
            if _fresh(read_at, known.oldest):
                seats |= seat
            else:
                stale = True
    if seats:
        return seats, None
    return 0, Reason.FACTS_STALE if stale else Reason.NOT_AN_APPROVER


def submit(command: SubmitApproval, page: Page, known: Known) -> Reason | None:
    """May this page version be put up for approval?"""
    if reason := licence(command.caller, known.licence_active):
        return reason
    if command.caller.account_id is None:
        return Reason.NOT_PERMITTED
    if page.state != "current":
        return Reason.PAGE_UNAVAILABLE
    if known.space.removed_at is not None:
        return Reason.SPACE_REMOVED
    if page.page_version not in (None, command.page_version):
        return Reason.PAGE_VERSION_STALE
    if page.approval is not None and page.approval.status is Status.OPEN:
        return Reason.APPROVAL_OPEN
    return _usable(known, command.workflow_id)


def _usable(known: Known, named: str | None) -> Reason | None:
    if known.workflow is None or known.definition is None:
        return Reason.WORKFLOW_NOT_ASSIGNED if named is None else Reason.NOT_FOUND
    return Reason.WORKFLOW_ARCHIVED if known.workflow.archived else None


def decide(command: RecordDecision, page: Page, known: Known) -> Reason | None:
    """May this person decide on the active step?"""
    if reason := licence(command.caller, known.licence_active) or _addressed(command, page):
        return reason
    approval, account = page.approval, command.caller.account_id
    if approval is None or known.definition is None:
        return Reason.NOT_FOUND
    if account is None:
        return Reason.NOT_PERMITTED
    if command.page_version != approval.page_version:
        return Reason.PAGE_VERSION_STALE
    if command.expected_version not in (None, page.version):
        return Reason.VERSION_CONFLICT
    step = known.definition.steps[approval.step]
    if reason := seats_of(step, account, known)[1]:
        return reason
    if account in approval.decided or approval.seats & step.account_seats.get(account, 0):
        return Reason.ALREADY_DECIDED
    if command.verdict is Verdict.REJECT:
        return None if command.comment is not None else Reason.COMMENT_REQUIRED
    if known.definition.four_eyes and account in (page.author_id, page.editor_id):
        return Reason.FOUR_EYES
    return None


def reset(command: ResetApproval, page: Page, known: Known) -> Reason | None:
    """May the approval go back to step one? One that was cancelled stays ended."""
    approval = page.approval
    if reason := licence(command.caller, known.licence_active) or _named(command.approval_id, page):
        return reason
    if reason := owner_or_admin(command.caller, known.workflow, known):
        return reason
    if approval is None or approval.status is Status.CANCELLED:
        return Reason.APPROVAL_CLOSED
    if page.state != "current":
        return Reason.PAGE_UNAVAILABLE
    return None if command.expected_version in (None, page.version) else Reason.VERSION_CONFLICT


def cancel(command: CancelApproval, page: Page, known: Known) -> Reason | None:
    """May the approval be ended without a verdict?"""
    if reason := licence(command.caller, known.licence_active) or _addressed(command, page):
        return reason
    if reason := owner_or_admin(command.caller, known.workflow, known):
        return reason
    return None if command.expected_version in (None, page.version) else Reason.VERSION_CONFLICT


def _addressed(command: RecordDecision | CancelApproval, page: Page) -> Reason | None:
    if reason := _named(command.approval_id, page):
        return reason
    if page.approval is None or page.approval.status is not Status.OPEN:
        return Reason.APPROVAL_CLOSED
    return None


def _named(approval: str, page: Page) -> Reason | None:
    """The approval named must be the page's current one; an earlier run has ended."""
    try:
        page_id, run = page_of(approval)
    except ValueError:
        return Reason.NOT_FOUND
    if page_id != page.page_id or page.approval is None or run > page.approval.run:
        return Reason.NOT_FOUND
    return None if run == page.approval.run else Reason.APPROVAL_CLOSED


def _fresh(read_at: datetime | None, oldest: datetime) -> bool:
    return read_at is not None and read_at >= oldest
