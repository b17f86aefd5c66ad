"""What a batch may need to know beyond its pages, and which part of it one command looks at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.rules.state import Known, Page, Space, Workflow
from shared.contracts.base import Channel, Environment, Licence
from shared.contracts.commands import CancelApproval, PageCommand, RecordDecision, ResetApproval, SubmitApproval
from shared.contracts.facts import PageChanged
from shared.contracts.workflow import Definition

PageMessage = PageCommand | PageChanged
Of = tuple[str, str]
"""A site, and what is named within it."""


_NO_SPACE = Space()


@dataclass(slots=True)
class Needs:
    """What to load, once for the whole batch."""

    definitions: set[tuple[str, str, int]] = field(default_factory=set)
    workflows: set[Of] = field(default_factory=set)
    assignments: set[tuple[str, str, str]] = field(default_factory=set)
    spaces: set[Of] = field(default_factory=set)
    members: set[Of] = field(default_factory=set)
    licences: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Directory:
    """What was loaded."""

    definitions: Mapping[tuple[str, str, int], Definition] = field(default_factory=dict)
    workflows: Mapping[Of, Workflow] = field(default_factory=dict)
    assignments: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    spaces: Mapping[Of, Space] = field(default_factory=dict)
    groups: Mapping[Of, tuple[tuple[str, datetime], ...]] = field(default_factory=dict)
    licences: Mapping[str, bool] = field(default_factory=dict)


def needs(messages: Iterable[PageMessage], pages: Mapping[Of, Page]) -> Needs:
    """What deciding these messages on these pages takes."""
    result = Needs()
    named: dict[Of, set[str]] = {}
    for message in messages:
        caller, site = message.caller, message.site_id
        at = (site, message.page_id)
        page = pages.get(at)
        approval = page.approval if page is not None else None
        if caller.licence is Licence.UNKNOWN and caller.environment is Environment.PRODUCTION:
            result.licences.add(site)
        if approval is not None:
            result.definitions.add((site, approval.workflow_id, approval.workflow_version))
        if isinstance(message, RecordDecision):
            if caller.account_id is not None:
                result.members.add((site, caller.account_id))
            continue
        if isinstance(message, PageChanged | SubmitApproval) and message.space_id is not None:
            named.setdefault(at, set()).add(message.space_id)
        if isinstance(message, SubmitApproval):
            _submission(message, _spaces(page, named.get(at, ())), result)
        elif isinstance(message, ResetApproval | CancelApproval):
            result.spaces |= {(site, space) for space in _spaces(page, named.get(at, ()))}
            if approval is not None and caller.channel is not Channel.SYSTEM:
                result.workflows.add((site, approval.workflow_id))
    return result


def group_voters(messages: Iterable[PageMessage], directory: Directory) -> set[tuple[str, str, str]]:
    """Who asks to decide on which page, and may do so through a group: of them it must be looked up whether they have."""
    if not directory.groups:
        return set()
    return {
        (m.site_id, m.page_id, m.caller.account_id) for m in messages
        if isinstance(m, RecordDecision) and m.caller.account_id is not None
        and (m.site_id, m.caller.account_id) in directory.groups
    }


def with_voters(pages: Mapping[Of, Page], voters: Mapping[Of, frozenset[str]]) -> dict[Of, Page]:
    """The pages, each with those who have decided on its active step."""
    return dict(pages) | {
        at: page._replace(approval=page.approval._replace(decided=voters[at]))
        for at, page in pages.items() if at in voters and page.approval is not None
    }


def _spaces(page: Page | None, named: Iterable[str]) -> set[str]:
    """Where the page may be by then: where it was read, and wherever what comes before in the batch puts it."""
    return {*named} | ({page.space_id} if page is not None and page.space_id is not None else set())


def _submission(message: SubmitApproval, spaces: set[str], result: Needs) -> None:
    site = message.site_id
    result.spaces |= {(site, space) for space in spaces}
    if message.workflow_id is not None:
        result.workflows.add((site, message.workflow_id))
    else:
        result.assignments |= {(site, "page", message.page_id)} | {(site, "space", space) for space in spaces}


def known_for(message: PageMessage, page: Page, directory: Directory, oldest: datetime) -> Known:
    """The part of the directory that one message is judged by."""
    site, account, space = message.site_id, message.caller.account_id, page.space_id
    workflow = _workflow(message, page, directory)
    if isinstance(message, SubmitApproval):
        space = space or message.space_id
        frozen = None if workflow is None else (site, workflow.workflow_id, workflow.workflow_version)
    else:
        approval = page.approval
        frozen = None if approval is None else (site, approval.workflow_id, approval.workflow_version)
    return Known(
        oldest, directory.spaces.get((site, space or ""), _NO_SPACE),
        directory.groups.get((site, account), ()) if account is not None else (), workflow,
        None if frozen is None else directory.definitions.get(frozen), directory.licences.get(site),
    )


def _workflow(message: PageMessage, page: Page, directory: Directory) -> Workflow | None:
    site = message.site_id
    if not isinstance(message, SubmitApproval):
        return None if page.approval is None else directory.workflows.get((site, page.approval.workflow_id))
    named = message.workflow_id or directory.assignments.get((site, "page", message.page_id)) or (
        directory.assignments.get((site, "space", page.space_id or message.space_id))
    )
    return None if named is None else directory.workflows.get((site, named))
