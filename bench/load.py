"""The work: approvals of one shape, and the decisions that take each of them to approved, as records ready for the log."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import getrandbits, random
from typing import NamedTuple
from uuid import UUID

from aiokafka.partitioner import murmur2
from pydantic import BaseModel

from services.local.supervisor import PARTITIONS
from shared.clock import now
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.commands import CreateWorkflow, RecordDecision, RecordSpaceAdmins, SubmitApproval, Verdict
from shared.contracts.envelope import headers
from shared.contracts.topics import INTAKE, TYPE_OF
from shared.contracts.workflow import AccountApprover, Definition, Quorum, Step
from shared.kafka import Outgoing

SPACE, WORKFLOW, TEMPLATE = "bench-space", "bench", "template"
"""``TEMPLATE`` names the site, and the page on it, that all others are copied from."""
SOURCE = "approvalflow/bench"
WAVE = 30_000
"""So many pages are voted on in turn before the first of them gets its next vote."""


class Place(NamedTuple):
    """A page on a site."""

    site: str
    page: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A workflow: of how many approvers of each step how many must approve."""

    steps: tuple[tuple[int, int], ...] = ((3, 2), (1, 1))

    def definition(self) -> Definition:
        """The workflow that says so."""
        return Definition(name="bench", steps=tuple(
            Step(name=f"step {n}", approvers=tuple(AccountApprover(id=_voter(n, i)) for i in range(many)), rule=Quorum(n=enough))
            for n, (many, enough) in enumerate(self.steps)
        ))

    def voters(self) -> list[str]:
        """Who decides, one after another, until the approval is approved."""
        return [_voter(n, i) for n, (_, enough) in enumerate(self.steps) for i in range(enough)]


def _voter(step: int, number: int) -> str:
    return f"approver-{step}-{number}"


def caller(account: str | None) -> Caller:
    """A person on a licensed production site, or the app."""
    return Caller(channel=Channel.FORGE, environment=Environment.PRODUCTION, licence=Licence.ACTIVE,
                  account_id=account, app=account is None)


def beginnings(shape: Shape) -> Iterator[BaseModel]:
    """A space admin, a workflow and one page put up for approval: each must be settled before the next is asked."""
    yield RecordSpaceAdmins(site_id=TEMPLATE, caller=caller(None), space_id=SPACE, admins=("admin",), read_at=now())
    yield CreateWorkflow(site_id=TEMPLATE, caller=caller("admin"), workflow_id=WORKFLOW, space_id=SPACE,
                         definition=shape.definition())
    yield SubmitApproval(site_id=TEMPLATE, caller=caller("author"), page_id=TEMPLATE, page_version=1, space_id=SPACE,
                         workflow_id=WORKFLOW)


@dataclass(frozen=True, slots=True)
class Load:
    """Open approvals at these places, and the decisions on them."""

    places: Sequence[Place]
    shape: Shape = field(default_factory=Shape)
    traced: float = 0.0
    """The share of decisions whose caller traces them; if there are any, all carry a trace."""

    def __len__(self) -> int:
        """How many decisions it is."""
        return len(self.places) * len(self.shape.voters())

    def decisions(
        self, topic: str = INTAKE.name, partitions: int = PARTITIONS, clock: Callable[[], datetime] = now,
    ) -> Iterator[Outgoing]:
        """Every decision, in waves, to the partition that its key would choose; ``clock`` says when each is asked."""
        values = [_value(voter) for voter in self.shape.voters()]
        for start in range(0, len(self.places), WAVE):
            wave = [(place, key := f"{place.site}:{place.page}".encode(), partition_of(key, partitions))
                    for place in self.places[start:start + WAVE]]
            for value in values:
                for place, key, partition in wave:
                    moment = clock()
                    named = headers(RecordDecision, identity(moment), moment, SOURCE, traceparent=self._trace())
                    filled = value.replace(_SITE, place.site.encode()).replace(_PAGE, place.page.encode())
                    yield Outgoing(topic, key, filled, named, partition)

    def _trace(self) -> str | None:
        if not self.traced:
            return None
        return f"00-{getrandbits(128):032x}-{getrandbits(64):016x}-{'01' if random() < self.traced else '00'}"  # noqa: S311 - a load


_SITE, _PAGE = b"SITE", b"PAGE"


def _value(voter: str) -> bytes:
    """A decision as it is on the wire, but for the site and the page."""
    site, page = _SITE.decode(), _PAGE.decode()
    message = RecordDecision(site_id=site, caller=caller(voter), page_id=page, approval_id=f"{page}-1", page_version=1,
                             verdict=Verdict.APPROVE)
    return message.model_dump_json().encode()


_MOMENT_BITS = 48


def identity(moment: datetime) -> UUID:
    """A command id as random as those that ``command`` gives, whose last 48 bits say when, in milliseconds."""
    return UUID(int=getrandbits(80) << _MOMENT_BITS | int(moment.timestamp() * 1000), version=4)


def asked_at(command_id: UUID) -> float:
    """When a command with an ``identity`` was asked, in seconds since the epoch."""
    return (command_id.int & ((1 << _MOMENT_BITS) - 1)) / 1000


def partition_of(key: bytes, partitions: int) -> int:
    """Where a producer puts this key, as every Kafka client does."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def outgoing(message: BaseModel) -> Outgoing:
    """One message ready for the log."""
    route = TYPE_OF[type(message)]
    if route.key is None:
        raise TypeError(route.type)
    moment = now()
    named = headers(type(message), identity(moment), moment, SOURCE)
    return Outgoing(INTAKE.name, route.key(message).encode(), message.model_dump_json().encode(), named)
