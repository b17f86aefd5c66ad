"""What the API answers with. Steps are counted from 0 and rounds from 1, as in events."""

from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict

from services.console import examples
from services.rules.state import PageState
from shared.contracts.base import AccountId, ObjectId, Read, SiteId
from shared.contracts.commands import Verdict
from shared.contracts.events import Status
from shared.contracts.reasons import Reason
from shared.contracts.workflow import Approver, Definition, Rule


class Decision(Read):
    """Who decided what, and when."""

    account_id: AccountId
    verdict: Verdict
    decided_at: AwareDatetime


class StepState(StrEnum):
    """How far a step has come."""

    PENDING = "pending"
    ACTIVE = "active"
    COMPLETED = "completed"
    REJECTED = "rejected"


class StepAnswer(Read):
    """One step, and the decisions of the present round on it."""

    step: int
    name: str
    state: StepState
    approvers: tuple[Approver, ...]
    rule: Rule
    decisions: tuple[Decision, ...]


class Missing(Read):
    """What the active step still needs.

    ``approvals`` is how many more people must approve; null where each of ``approvers`` must. ``approvers`` are those
    who may still bring it on: not a person who has spoken, and, where each must approve, not a group that has.
    """

    approvals: int | None
    approvers: tuple[Approver, ...]


class Run(Read):
    """One approval of a page, in short. ``replaced_at`` is when a later one took its place."""

    approval_id: ObjectId
    page_version: int
    status: Status
    workflow_id: ObjectId
    workflow_version: int
    step: int
    round: int
    submitted_at: AwareDatetime
    replaced_at: AwareDatetime | None = None


class ApprovalAnswer(Run):
    """One approval. ``version`` is that of its page's record, to be named in ``If-Match``."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.APPROVAL]})

    page_id: ObjectId
    space_id: ObjectId | None
    version: int
    steps: tuple[StepAnswer, ...]
    missing: Missing | None = None


class PageAnswer(Read):
    """A page as last heard of, its present approval, and the latest 100 before it, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PAGE]})

    page_id: ObjectId
    space_id: ObjectId | None
    page_version: int | None
    state: PageState
    version: int
    approval: Run | None
    earlier: tuple[Run, ...]


class Waiting(Read):
    """An open approval whose active step waits for the caller."""

    approval_id: ObjectId
    page_id: ObjectId
    space_id: ObjectId | None
    page_version: int
    workflow_id: ObjectId
    step: int
    round: int
    submitted_at: AwareDatetime
    version: int
    workflow_name: str
    step_name: str


class WaitingPage(Read):
    """Part of what waits, oldest first; ``next`` is the cursor of what follows."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.WAITING]})

    approvals: tuple[Waiting, ...]
    next: str | None = None


class Assignment(Read):
    """Where a workflow is the one in use."""

    scope: Literal["page", "space"]
    scope_id: ObjectId


class WorkflowAnswer(Read):
    """A workflow as it is now, and the first 1000 places it is assigned to."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.WORKFLOW]})

    workflow_id: ObjectId
    space_id: ObjectId
    version: int
    workflow_version: int
    archived: bool
    owners: tuple[AccountId, ...]
    owners_read_at: AwareDatetime | None = None
    definition: Definition
    assignments: tuple[Assignment, ...]


class Entry(Read):
    """One audit entry. ``hash`` (hex) covers the entry before it at the same ``partition``, and this one's body."""

    event_id: UUID
    event_type: str
    occurred_at: AwareDatetime
    partition: int
    position: int
    hash: str
    body: dict[str, Any]


class EntryPage(Read):
    """Part of what was asked for; ``next`` is the cursor of what follows."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ENTRIES]})

    entries: tuple[Entry, ...]
    next: str | None = None


class CommandAnswer(Read):
    """What became of a command, with the fields of its outcome; ``pending`` until it has one."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COMMAND]})

    site_id: SiteId
    command_id: str
    result: Literal["pending", "applied", "refused"]
    reason: Reason | None = None
    version: int = 0
    approval_id: ObjectId | None = None
    workflow_id: ObjectId | None = None
    status: Status | None = None
