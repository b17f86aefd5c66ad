"""What is put on the log directly: approvals of every fate, with repeats, refusals and a record that nobody can read."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

from pydantic import BaseModel

from shared.clock import now
from shared.contracts.base import SYSTEM, Caller, Channel, Environment, Licence
from shared.contracts.commands import (
    ArchiveWorkflow,
    Comment,
    CreateWorkflow,
    RecordDecision,
    RecordGroupMembers,
    RecordSpaceAdmins,
    ReleaseQuarantine,
    SubmitApproval,
    Verdict,
)
from shared.contracts.envelope import headers
from shared.contracts.facts import PageChange, PageChanged
from shared.contracts.topics import INTAKE, TYPE_OF
from shared.contracts.workflow import AccountApprover, All, Any, Definition, GroupApprover, Step
from shared.kafka import Outgoing

SITE, SPACE, WORKFLOW = "site-1", "100", "wf-1"
ALICE, BOB, CAROL, DAVE = "acc:alice", "acc:bob", "acc:carol", "acc:dave"
GROUP, ERIN, MALLORY = "releasers", "acc:erin", "acc:mallory"
FATES = ("approved", "edited", "rejected", "archived", "approved", "poisoned")
"""What is to become of one page after another."""
STATUS = {
    "approved": ("approved", 1), "edited": ("open", 2), "rejected": ("rejected", 1), "archived": ("cancelled", 1), "poisoned": ("open", 1),
}
"""The status and round that each fate ends with."""
_VERSION = 7


def on_intake(message: BaseModel, id_: UUID | None = None, reply: int | None = None) -> Outgoing:
    """A message as ``command`` puts it on the log."""
    key = TYPE_OF[type(message)].key
    if key is None:
        raise TypeError(type(message))
    named = headers(type(message), id_ or uuid4(), now(), "approvalflow/burst", reply)
    return Outgoing(INTAKE.name, key(message).encode(), message.model_dump_json().encode(), named)


def poison(page_id: str) -> Outgoing:
    """A record of a page that can never be read."""
    return Outgoing(INTAKE.name, f"{SITE}:{page_id}".encode(), b"{not json", [])


def caller(account: str | None) -> Caller:
    """A person on a licensed production site, or the app itself."""
    return Caller(channel=Channel.FORGE, environment=Environment.PRODUCTION, licence=Licence.ACTIVE, account_id=account,
                  app=account is None)


def members_of(group: str, who: str) -> RecordGroupMembers:
    """One person is all of a group."""
    return RecordGroupMembers(site_id=SITE, caller=caller(None), group_id=group, members=(who,), read_at=now())


def submission(page_id: str, workflow_id: str = WORKFLOW) -> SubmitApproval:
    """Carol puts version 7 of a page up for approval."""
    return SubmitApproval(site_id=SITE, caller=caller(CAROL), page_id=page_id, page_version=_VERSION, space_id=SPACE,
                          workflow_id=workflow_id)


def vote(page_id: str, who: str) -> RecordDecision:
    """One person's approval, on the page's first run."""
    return RecordDecision(site_id=SITE, caller=caller(who), page_id=page_id, approval_id=f"{page_id}-1", page_version=_VERSION,
                          verdict=Verdict.APPROVE)


def edit(page_id: str) -> PageChanged:
    """Carol edits the page."""
    return PageChanged(site_id=SITE, caller=caller(None), happened_at=now(), page_id=page_id, change=PageChange.UPDATED,
                       page_version=_VERSION + 1, space_id=SPACE, editor_id=CAROL)


@dataclass(frozen=True, slots=True)
class Burst:
    """``pages`` approvals under ids that begin with ``name``; those to be archived have a workflow of their own."""

    name: str
    pages: int = 48

    def directory(self) -> Iterator[Outgoing]:
        """Who may do what: settled before anything else is asked, since other keys have no order with it."""
        yield on_intake(RecordSpaceAdmins(site_id=SITE, caller=caller(None), space_id=SPACE, admins=(DAVE,), read_at=now()))
        yield on_intake(members_of(GROUP, ERIN))

    def workflows(self) -> Iterator[Outgoing]:
        """Two workflows of two steps: settled before pages are submitted."""
        both = Step(name="review", approvers=(AccountApprover(id=ALICE), AccountApprover(id=BOB)), rule=All())
        definition = Definition(name="review", owners=(DAVE,), steps=(
            both, Step(name="release", approvers=(GroupApprover(id=GROUP),), rule=Any())))
        for workflow in (WORKFLOW, self.archived_workflow):
            create = CreateWorkflow(
                site_id=SITE, caller=caller(DAVE), workflow_id=workflow, space_id=SPACE, definition=definition
            )
            yield on_intake(create)

    @property
    def archived_workflow(self) -> str:
        """The workflow that goes away while its approvals are open."""
        return f"wf-{self.name}"

    def fates(self) -> dict[str, str]:
        """What is to become of each page."""
        return {f"{self.name}.{n}": FATES[n % len(FATES)] for n in range(self.pages)}

    def beginnings(self) -> Iterator[Outgoing]:
        """Every page submitted, and Alice's vote."""
        for page, fate in self.fates().items():
            workflow = self.archived_workflow if fate == "archived" else WORKFLOW
            yield on_intake(submission(page, workflow), reply=1)
        for page, fate in self.fates().items():
            if fate == "rejected":
                comment = Comment(text="no", salt="0" * 32)
                yield on_intake(vote(page, ALICE).model_copy(update={"verdict": Verdict.REJECT, "comment": comment}))
            else:
                yield from self._twice(vote(page, ALICE))

    def endings(self) -> Iterator[Outgoing]:
        """Each page's own fate, then every other vote, whether it may still count or not."""
        for page, fate in self.fates().items():
            if fate == "edited":
                yield on_intake(edit(page))
            elif fate == "poisoned":
                yield poison(page)
        for who in (MALLORY, BOB, ERIN, ALICE):
            for page, fate in self.fates().items():
                if fate != "archived":
                    yield from self._twice(vote(page, who))
        archive = ArchiveWorkflow(site_id=SITE, caller=caller(DAVE), workflow_id=self.archived_workflow)
        yield on_intake(archive, reply=1)

    def releases(self) -> Iterator[Outgoing]:
        """Whoever looks after it sets aside what cannot be read, and has what waits behind it handled."""
        for page, fate in self.fates().items():
            if fate == "poisoned":
                yield on_intake(ReleaseQuarantine(site_id=SITE, caller=SYSTEM, key=f"{SITE}:{page}", set_aside=True))

    def _twice(self, message: RecordDecision) -> Iterator[Outgoing]:
        """The same command with one id, as a sender that saw no acknowledgement repeats it."""
        id_ = uuid4()
        yield on_intake(message, id_, reply=2)
        if message.page_id.endswith("4"):
            yield on_intake(message, id_, reply=2)
