"""Messages and states that are valid by default; a test changes the one field it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.decision.domain.result import Cause
from services.rules.state import Approval, Known, Page, Space, Workflow
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.commands import RecordDecision, SubmitApproval, Verdict
from shared.contracts.facts import PageChange, PageChanged
from shared.contracts.workflow import AccountApprover, Approver, Definition, GroupApprover, Rule, Step
from shared.contracts.workflow import Any as AnyRule

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SITE, SPACE, PAGE, WORKFLOW = "site-1", "100", "900", "wf-1"
ALICE, BOB, CAROL, DAVE = "acc:alice", "acc:bob", "acc:carol", "acc:dave"


def a_caller(account: str | None = ALICE, **changes: Any) -> Caller:
    """A person on a licensed production site."""
    return Caller(**{
        "channel": Channel.FORGE, "environment": Environment.PRODUCTION, "licence": Licence.ACTIVE,
        "account_id": account, "app": account is None, **changes,
    })


def accounts(*ids: str) -> tuple[Approver, ...]:
    """Approvers who are people."""
    return tuple(AccountApprover(id=i) for i in ids)


def groups(*ids: str) -> tuple[Approver, ...]:
    """Approvers who are groups."""
    return tuple(GroupApprover(id=i) for i in ids)


def a_step(approvers: tuple[Approver, ...] = accounts(ALICE, BOB), rule: Rule | None = None) -> Step:
    """A step that any approver completes."""
    return Step(name="review", approvers=approvers, rule=rule or AnyRule())


def a_definition(*steps: Step, **changes: Any) -> Definition:
    """A workflow of one step, owned by Dave."""
    return Definition(**{"name": "review", "owners": (DAVE,), "steps": steps or (a_step(),), **changes})


def a_workflow(**changes: Any) -> Workflow:
    """A workflow in use."""
    return Workflow(**{
        "site_id": SITE, "workflow_id": WORKFLOW, "version": 1, "workflow_version": 1, "space_id": SPACE,
        "archived": False, "owners": frozenset({DAVE}), **changes,
    })


def known(definition: Definition | None = None, **changes: Any) -> Known:
    """A directory read an hour ago, in which Dave administers the space."""
    return Known(**{
        "oldest": NOON - timedelta(hours=24), "space": Space(None, frozenset({DAVE}), NOON - timedelta(hours=1)),
        "definition": definition or a_definition(), "workflow": a_workflow(), **changes,
    })


def an_approval(**changes: Any) -> Approval:
    """An approval of page version 7 on its first step."""
    return Approval(**{"run": 1, "workflow_id": WORKFLOW, "workflow_version": 1, "page_version": 7, "submitted_at": NOON, **changes})


def a_page(approval: Approval | None = None, **changes: Any) -> Page:
    """A page at version 7, written and last edited by Carol."""
    return Page(**{
        "site_id": SITE, "page_id": PAGE, "version": 3, "page_version": 7, "space_id": SPACE,
        "edited_at": NOON - timedelta(hours=2), "author_id": CAROL, "editor_id": CAROL, "approval": approval, **changes,
    })


def a_submission(account: str | None = CAROL, **changes: Any) -> SubmitApproval:
    """Carol puts version 7 up for approval."""
    return SubmitApproval(**{
        "site_id": SITE, "caller": a_caller(account), "page_id": PAGE, "page_version": 7, "space_id": SPACE,
        "workflow_id": WORKFLOW, **changes,
    })


def a_decision(account: str | None = ALICE, verdict: Verdict = Verdict.APPROVE, **changes: Any) -> RecordDecision:
    """Alice approves version 7."""
    return RecordDecision(**{
        "site_id": SITE, "caller": a_caller(account), "page_id": PAGE, "approval_id": f"{PAGE}-1", "page_version": 7,
        "verdict": verdict, **changes,
    })


def a_fact(change: PageChange = PageChange.UPDATED, **changes: Any) -> PageChanged:
    """Carol edits the page to version 8."""
    return PageChanged(**{
        "site_id": SITE, "caller": a_caller(None), "happened_at": NOON + timedelta(minutes=1), "page_id": PAGE,
        "change": change, "page_version": 8, "space_id": SPACE, "editor_id": CAROL, **changes,
    })


def a_cause(account: str | None = ALICE, id: UUID | None = None) -> Cause:  # noqa: A002 - the field's name
    """A record with an id of its own."""
    return Cause(id or uuid4(), account)
