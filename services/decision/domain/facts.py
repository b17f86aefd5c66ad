"""Facts about one page. Edits are ordered by page version, everything else by Confluence's own time."""

from datetime import datetime
from typing import Any

from services.decision.domain.result import Cause, Decided
from services.decision.domain.steps import restart
from services.rules.state import Approval, Known, Page, PageState, approval_id
from shared.contracts.commands import CancelCause
from shared.contracts.events import ApprovalCancelled, ApprovalEvent, ApprovalKept, ApprovalReset, PageRecorded, Status
from shared.contracts.facts import PageChange, PageChanged
from shared.contracts.workflow import OnEdit

_STATE: dict[PageChange, PageState] = {
    PageChange.TRASHED: "trashed", PageChange.ARCHIVED: "archived", PageChange.REMOVED: "removed",
    PageChange.RESTORED: "current", PageChange.UNARCHIVED: "current",
}
_CAUSE = {
    PageChange.TRASHED: CancelCause.TRASHED, PageChange.ARCHIVED: CancelCause.ARCHIVED,
    PageChange.REMOVED: CancelCause.REMOVED,
}


def observe(fact: PageChanged, cause: Cause, page: Page, known: Known, now: datetime) -> Decided[Page] | None:
    """Take in one fact; None when it is late, repeated or tells nothing new."""
    after = _edited(fact, _moved(fact, _in_state(fact, page)))
    approval = page.approval
    if approval is None or approval.status is not Status.OPEN:
        return None if after == page else _recorded(fact, cause, after, now)
    if fact.change in _CAUSE and (after.state != page.state or approval.submitted_at <= fact.happened_at):
        cancelled = approval._replace(status=Status.CANCELLED)
        return _with(ApprovalCancelled, cause, after, cancelled, now, cause=_CAUSE[fact.change])
    if (after.page_version or 0) > approval.page_version and known.definition is not None:
        return _react(known.definition.on_edit, cause, after, approval, now)
    return None if after == page else _recorded(fact, cause, after, now)


def _react(reaction: OnEdit, cause: Cause, page: Page, approval: Approval, now: datetime) -> Decided[Page]:
    version = page.page_version or approval.page_version
    match reaction:
        case OnEdit.RESET:
            return _with(ApprovalReset, cause, page, restart(approval, version), now, cause="edited")
        case OnEdit.KEEP:
            return _with(ApprovalKept, cause, page, approval._replace(page_version=version), now)
        case OnEdit.CANCEL:
            cancelled = approval._replace(status=Status.CANCELLED)
            return _with(ApprovalCancelled, cause, page, cancelled, now, cause=CancelCause.EDITED)


def _with(kind: type[ApprovalEvent], by: Cause, page: Page, approval: Approval, now: datetime, **more: Any) -> Decided[Page]:
    state = page._replace(version=page.version + 1, approval=approval)
    return Decided(state, kind(
        site_id=state.site_id, command_id=str(by.id), occurred_at=now, actor_id=by.account_id, version=state.version,
        page_id=state.page_id, space_id=state.space_id, workflow_id=approval.workflow_id,
        approval_id=approval_id(state.page_id, approval.run), page_version=approval.page_version,
        status=approval.status, step=approval.step, round=approval.round, **more,
    ))


def _recorded(fact: PageChanged, by: Cause, page: Page, now: datetime) -> Decided[Page]:
    state = page._replace(version=page.version + 1)
    return Decided(state, PageRecorded(
        site_id=state.site_id, command_id=str(by.id), occurred_at=now, actor_id=by.account_id, version=state.version,
        page_id=state.page_id, space_id=state.space_id, change=fact.change, page_version=state.page_version,
    ))


def _in_state(fact: PageChanged, page: Page) -> Page:
    """A purge is for good; of all else the latest counts."""
    state = _STATE.get(fact.change)
    if state is None or page.state == "removed":
        return page
    if state != "removed" and page.state_at is not None and fact.happened_at <= page.state_at:
        return page
    return page._replace(state=state, state_at=fact.happened_at)


def _moved(fact: PageChanged, page: Page) -> Page:
    """Any event may carry the space; the latest that names another counts, so that a late one moves nothing back."""
    late = page.space_at is not None and fact.happened_at < page.space_at
    if fact.space_id is None or fact.space_id == page.space_id or late:
        return page
    return page._replace(space_id=fact.space_id, space_at=fact.happened_at)


def _edited(fact: PageChanged, page: Page) -> Page:
    """A newer version; Data Center names none, and there each later edit counts as one."""
    version = fact.page_version
    if version is None and fact.change in (PageChange.CREATED, PageChange.UPDATED, PageChange.PUBLISHED) and (
        page.edited_at is None or fact.happened_at > page.edited_at
    ):
        version = 1 if fact.change is PageChange.CREATED else (page.page_version or 0) + 1
    if version is None or (page.page_version is not None and version < page.page_version):
        return page
    if version == page.page_version:
        return page._replace(
            editor_id=page.editor_id or fact.editor_id, author_id=page.author_id or fact.author_id,
            edited_at=page.edited_at or fact.happened_at,
        )
    author = fact.author_id or page.author_id or (fact.editor_id if fact.change is PageChange.CREATED else None)
    edited_at = max(page.edited_at or fact.happened_at, fact.happened_at)
    return page._replace(page_version=version, author_id=author, editor_id=fact.editor_id, edited_at=edited_at)
