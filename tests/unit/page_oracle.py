"""What becomes of a page, by its whole history: every fact and every vote is kept, and all else counted from them anew.

Written from the rules of the domain, in no way from the code: it answers with every reason there is against a command,
not with the first, and never carries a count on.
"""

from dataclasses import dataclass, field
from datetime import datetime

from shared.contracts.commands import CancelApproval, RecordDecision, ResetApproval, SubmitApproval, Verdict
from shared.contracts.events import Status
from shared.contracts.facts import PageChange, PageChanged
from shared.contracts.reasons import Reason
from shared.contracts.workflow import Definition, OnEdit, Step

Groups = dict[str, set[str]]
STATES = {
    PageChange.TRASHED: "trashed", PageChange.ARCHIVED: "archived", PageChange.REMOVED: "removed", PageChange.RESTORED: "current",
    PageChange.UNARCHIVED: "current",
}


@dataclass
class Vote:
    """A verdict that counted, and where."""

    run: int
    round: int
    voter: str
    verdict: Verdict


@dataclass
class History:
    """All that ever happened to one page."""

    definitions: dict[str, Definition]
    groups: Groups
    admin: str
    facts: list[PageChanged] = field(default_factory=list)
    votes: list[Vote] = field(default_factory=list)
    runs: list[tuple[str, datetime]] = field(default_factory=list)
    applied: int = 0
    round: int = 1
    about: int = 0
    cancelled: bool = False

    def told(self) -> tuple[int | None, str | None, str, datetime | None]:
        """The page's version and its editor, its state and since when, as all facts together say."""
        edits = [f for f in self.facts if f.page_version is not None]
        newest = max((f.page_version for f in edits if f.page_version), default=None)
        editor = next((f.editor_id for f in edits if f.page_version == newest), None)
        moves = [f for f in self.facts if f.change in STATES]
        if gone := next((f for f in moves if f.change is PageChange.REMOVED), None):
            return newest, editor, "removed", gone.happened_at
        last = max(moves, key=lambda f: f.happened_at, default=None)
        return newest, editor, "current" if last is None else STATES[last.change], None if last is None else last.happened_at

    def stands(self) -> tuple[Status | None, int, set[str]]:
        """The approval's status, its active step, and who has approved there: every vote of the round counted again."""
        if not self.runs:
            return None, 0, set()
        steps, at, voters = self.definitions[self.runs[-1][0]].steps, 0, set[str]()
        status = Status.OPEN
        for vote in self.votes:
            if (vote.run, vote.round) != (len(self.runs), self.round):
                continue
            if vote.verdict is Verdict.REJECT:
                status = Status.REJECTED
                continue
            voters.add(vote.voter)
            if self._enough(steps[at], voters) and at + 1 == len(steps):
                status = Status.APPROVED
            elif self._enough(steps[at], voters):
                at, voters = at + 1, set()
        return Status.CANCELLED if self.cancelled else status, at, voters

    def approvers(self) -> list[str]:
        """Who may speak on the active step."""
        if not self.runs:
            return []
        step = self.definitions[self.runs[-1][0]].steps[self.stands()[1]]
        return sorted({a.id for a in step.approvers if a.kind == "account"}.union(*(self.groups.get(a.id, set()) for a in step.approvers)))

    def _speaks(self, step: Step, person: str) -> set[str]:
        return {a.id for a in step.approvers if a.id == person or person in self.groups.get(a.id, ())}

    def _enough(self, step: Step, voters: set[str]) -> bool:
        if step.rule.kind == "quorum":
            return len(voters) >= step.rule.n
        heard = set[str]().union(*(self._speaks(step, voter) for voter in voters))
        return bool(voters) if step.rule.kind == "any" else heard == {a.id for a in step.approvers}

    def against(self, command: object, account: str) -> set[Reason]:
        """Every reason there is to refuse it."""
        version, editor, state, _ = self.told()
        status, at, voters = self.stands()
        found = set[Reason]()
        if isinstance(command, SubmitApproval):
            found |= {Reason.PAGE_UNAVAILABLE} if state != "current" else set()
            found |= {Reason.PAGE_VERSION_STALE} if version not in (None, command.page_version) else set()
            found |= {Reason.APPROVAL_OPEN} if status is Status.OPEN else set()
            return found
        assert isinstance(command, RecordDecision | ResetApproval | CancelApproval)
        run = int(command.approval_id.rpartition("-")[2])
        if run > len(self.runs):
            return {Reason.NOT_FOUND}
        ended = status is Status.CANCELLED if isinstance(command, ResetApproval) else status is not Status.OPEN
        found |= {Reason.APPROVAL_CLOSED} if run < len(self.runs) or ended else set()
        found |= {Reason.VERSION_CONFLICT} if command.expected_version not in (None, self.applied) else set()
        if not isinstance(command, RecordDecision):
            found |= {Reason.NOT_PERMITTED} if account != self.admin else set()
            unavailable = isinstance(command, ResetApproval) and state != "current"
            return found | ({Reason.PAGE_UNAVAILABLE} if unavailable else set())
        definition = self.definitions[self.runs[-1][0]]
        found |= {Reason.PAGE_VERSION_STALE} if command.page_version != self.about else set()
        found |= {Reason.NOT_AN_APPROVER} if not self._speaks(definition.steps[at], account) else set()
        found |= {Reason.ALREADY_DECIDED} if account in voters else set()
        if command.verdict is Verdict.REJECT:
            return found | ({Reason.COMMENT_REQUIRED} if command.comment is None else set())
        return found | ({Reason.FOUR_EYES} if definition.four_eyes and account == editor else set())

    def apply(self, command: object, account: str, now: datetime) -> str:
        """Do what nothing speaks against; the kind of event that says so."""
        self.applied += 1
        version = self.told()[0]
        if isinstance(command, SubmitApproval):
            assert command.workflow_id is not None
            self.runs.append((command.workflow_id, now))
            self.round, self.about, self.cancelled = 1, command.page_version, False
            return "approval-submitted"
        if isinstance(command, RecordDecision):
            self.votes.append(Vote(len(self.runs), self.round, account, command.verdict))
            return "decision-recorded"
        if isinstance(command, CancelApproval):
            self.cancelled = True
            return "approval-cancelled"
        self.round, self.about = self.round + 1, version or self.about
        return "approval-reset"

    def hear(self, fact: PageChanged) -> str | None:
        """Take in a fact; the kind of event that says what it did, None if it told nothing."""
        before, status = self.told(), self.stands()[0]
        self.facts.append(fact)
        after = self.told()
        changed = after != before
        version, state = after[0], after[2]
        ends = STATES.get(fact.change, "current") != "current"
        if status is Status.OPEN and ends and (state != before[2] or fact.happened_at >= self.runs[-1][1]):
            self.applied, self.cancelled = self.applied + 1, True
            return "approval-cancelled"
        if status is Status.OPEN and version is not None and version > self.about:
            self.applied += 1
            return self._edited(version)
        self.applied += changed
        return "page-recorded" if changed else None

    def _edited(self, version: int) -> str:
        match self.definitions[self.runs[-1][0]].on_edit:
            case OnEdit.RESET:
                self.round, self.about = self.round + 1, version
                return "approval-reset"
            case OnEdit.KEEP:
                self.about = version
                return "approval-kept"
            case OnEdit.CANCEL:
                self.cancelled = True
                return "approval-cancelled"
