"""The routing table: every topic, what travels on it, who writes it and who reads it.

Topics of one flow have the same number of partitions; a record's consequence goes to the partition of the same number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.contracts import commands as c
from shared.contracts import events as e
from shared.contracts import facts as f
from shared.contracts.base import SiteId
from shared.contracts.replies import Outcome

Model = type[BaseModel]


@dataclass(frozen=True, slots=True)
class Route:
    """One message type: its name on the wire and the key it is ordered by (None: as its cause)."""

    type: str
    model: Model
    key: Callable[[Any], str] | None


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic and its rules."""

    name: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    routes: Mapping[str, Route]
    retention_ms: int


def _page(m: c.PageCommand | f.PageChanged) -> str:
    return f"{m.site_id}:{m.page_id}"


def _workflow(m: c.WorkflowCommand) -> str:
    return f"{m.site_id}:{m.workflow_id}"


def _space(m: c.RecordSpaceAdmins | f.SpaceChanged) -> str:
    return f"{m.site_id}:{m.space_id}"


def _group(m: c.RecordGroupMembers) -> str:
    return f"{m.site_id}:{m.group_id}"


def _scope(m: c.CancelApprovals) -> str:
    return f"{m.site_id}:{m.scope_id}"


def _site(m: c.SiteCommand | f.Fact) -> str:
    return m.site_id


def _held(m: c.ReleaseQuarantine) -> str:
    return m.key


_SITE: TypeAdapter[str] = TypeAdapter(SiteId)


def site_of(key: str) -> str:
    """The site that a key begins with; ``no-site`` for that of a record without a proper one."""
    try:
        return _SITE.validate_python(key.partition(":")[0])
    except ValidationError:
        return "no-site"


def _kebab(name: str) -> str:
    return "".join("-" + ch.lower() if ch.isupper() else ch for ch in name).lstrip("-")


def _routes(kind: str, rows: Mapping[Model, Callable[[Any], str] | None]) -> dict[str, Route]:
    named = {f"approvalflow.{kind}.{_kebab(m.__name__)}.v1": (m, key) for m, key in rows.items()}
    return {name: Route(name, m, key) for name, (m, key) in named.items()}


_DAY = 86_400_000

INTAKE = Topic(
    "approvalflow.intake.v1", ("command", "decision", "retention"), ("decision",),
    _routes("command", {
        c.SubmitApproval: _page, c.RecordDecision: _page, c.ResetApproval: _page, c.CancelApproval: _page,
        c.CreateWorkflow: _workflow, c.ChangeWorkflow: _workflow, c.ArchiveWorkflow: _workflow,
        c.AssignWorkflow: _workflow, c.RecordWorkflowOwners: _workflow,
        c.RecordSpaceAdmins: _space, c.RecordGroupMembers: _group, c.SetLicence: _site,
        c.CancelApprovals: _scope, c.ReleaseQuarantine: _held, c.RecordRetention: _site,
    }) | _routes("fact", {f.PageChanged: _page, f.SpaceChanged: _space, f.AppChanged: _site}),
    7 * _DAY,
)
EVENTS = Topic(
    "approvalflow.events.v1", ("decision",), ("audit-fanout",),
    _routes("event", dict.fromkeys((
        e.CommandRefused, e.ApprovalSubmitted, e.DecisionRecorded, e.ApprovalReset, e.ApprovalKept,
        e.ApprovalCancelled, e.PageRecorded, e.WorkflowEvent, e.FactsRecorded, e.ApprovalsCancelling, e.QuarantineReleased,
        e.RetentionRecorded,
    ))),
    30 * _DAY,
)
REPLIES = Topic("approvalflow.replies.v1", ("decision",), ("command",), _routes("reply", {Outcome: None}), _DAY // 24)

TOPICS = (INTAKE, EVENTS, REPLIES)
GROUPS: Mapping[str, Topic] = {"decision": INTAKE, "audit-fanout-store": EVENTS, "audit-fanout-archive": EVENTS}
"""Each consumer group, and the topic whose offsets it commits; replies are followed by no group."""
WATCHED: Mapping[str, Mapping[str, Topic]] = {"command": {"decision": INTAKE}, "console": GROUPS}
"""The groups that each of these services looks how far they are."""
TYPE_OF: Mapping[Model, Route] = {r.model: r for t in TOPICS for r in t.routes.values()}
"""The route of each message class."""


class Access(NamedTuple):
    """One thing that one service may do on the log, as an access control list of Kafka has it."""

    service: str
    operation: Literal["Describe", "Read", "Write"]
    resource: Literal["group", "topic"]
    name: str


def acls() -> list[Access]:
    """Everything that any service may do on the log; a broker with an authorizer refuses all else."""
    may = {Access(service, "Write", "topic", topic.name) for topic in TOPICS for service in topic.producers}
    may |= {Access(service, "Read", "topic", topic.name) for topic in TOPICS for service in topic.consumers}
    may |= {Access(service, "Read", "group", group) for group, topic in GROUPS.items() for service in topic.consumers}
    for service, groups in WATCHED.items():
        may |= {Access(service, "Describe", "group", group) for group in groups}
        may |= {Access(service, "Describe", "topic", topic.name) for topic in groups.values()}
    return sorted(may)
