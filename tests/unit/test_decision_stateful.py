"""Any sequence of commands and facts, against an oracle that recounts history; and however the log is cut into batches."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid5

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from services.decision.domain.batch import Item, Seen, Stored, decide_batch
from services.decision.domain.known import Directory, Of
from services.rules.state import Page, Space
from shared.contracts.commands import CancelApproval, Comment, PageCommand, ResetApproval, Verdict
from shared.contracts.envelope import Envelope
from shared.contracts.facts import PageChange, PageChanged
from shared.contracts.topics import TYPE_OF
from shared.contracts.workflow import Definition, OnEdit
from tests.builders import DAVE, NOON, SITE, SPACE, a_caller, a_decision, a_fact, a_submission, a_workflow
from tests.unit.page_oracle import STATES, History
from tests.unit.test_decision_steps import MEMBERS, PEOPLE, steps

PAGES = ("1", "1", "2")
WORKFLOWS = ("wf-1", "wf-2")
NOBODY = "p9"
pages = st.sampled_from(PAGES)
people = st.sampled_from([*PEOPLE, NOBODY, DAVE])
off = st.sampled_from([0] * 10 + [-1, 1])
"""How far what is named is from what is there: mostly not at all, else little would ever be applied."""
minutes = st.integers(-5, 5)
moves = st.sampled_from([*sorted(set(STATES) - {PageChange.REMOVED}), *[PageChange.RESTORED] * 6, PageChange.REMOVED])
definitions = st.builds(
    Definition, name=st.just("d"), steps=st.lists(steps, min_size=1, max_size=3).map(tuple), four_eyes=st.booleans(),
    on_edit=st.sampled_from(OnEdit),
)


class Kept:
    """What the tables would hold, and hand back for a batch."""

    def __init__(self, directory: Directory) -> None:
        self.pages: dict[Of, Page] = {}
        self.stored: dict[UUID, Stored] = {}
        self._directory = directory

    def settle(self, items: Sequence[Item]) -> list[Stored]:
        """Decide a batch on what is kept, and keep what it gives."""
        seen = Seen({at: self._read(page) for at, page in self.pages.items()}, dict(self.stored), self._directory)
        batch = decide_batch(items, seen, NOON - timedelta(hours=24), NOON)
        assert batch.failed == []
        for at, change in batch.changes.items():
            assert [o.version for o in change.outcomes if o.reason is None] == [*range(change.read.version + 1, change.after.version + 1)]
            self.pages[at] = change.after
            for outcome in change.outcomes:
                assert self.stored.setdefault(outcome.command_id, outcome) is outcome
        return [stored for _, stored in batch.results]

    def _read(self, page: Page) -> Page:
        """As a reader finds it: of those who decided, it is told about the members of groups alone."""
        if page.approval is None:
            return page
        a = page.approval
        cast = {o.voter_id for o in self.stored.values() if (o.page_id, o.run, o.round, o.step) == (page.page_id, a.run, a.round, a.step)}
        members = frozenset(voter for voter in cast if voter is not None and any(voter in each for each in MEMBERS.values()))
        return page._replace(approval=a._replace(decided=members))


class Log(RuleBasedStateMachine):
    """Each step appends one record, decides it alone, and compares; some steps decide all of them again in other batches."""

    asked = Bundle("asked")

    @initialize(first=definitions, second=definitions)
    def begin(self, first: Definition, second: Definition) -> None:
        """Two workflows, and nothing on the log."""
        known = dict(zip(WORKFLOWS, (first, second), strict=True))
        read_at = NOON - timedelta(hours=1)
        self.directory = Directory(
            definitions={(SITE, name, 1): definition for name, definition in known.items()},
            workflows={(SITE, name): a_workflow(workflow_id=name) for name in known},
            spaces={(SITE, SPACE): Space(None, frozenset({DAVE}), read_at)},
            groups={(SITE, p): tuple((g, read_at) for g, m in MEMBERS.items() if p in m) for p in PEOPLE
                    if any(p in m for m in MEMBERS.values())},
        )
        self.log: list[Item] = []
        self.kept = Kept(self.directory)
        self.histories = {page: History(known, MEMBERS, DAVE) for page in set(PAGES)}

    @rule(target=asked, page=pages, who=people, off=off, workflow=st.sampled_from(WORKFLOWS))
    def submit(self, page: str, who: str, off: int, workflow: str) -> Item:
        """A version is put up for approval; mostly the one that is there."""
        version = (self.histories[page].told()[0] or 5) + off
        return self._asks(a_submission(who, page_id=page, page_version=version, workflow_id=workflow))

    @rule(target=asked, page=pages, who=people, run=off, off=off, verdict=st.sampled_from([Verdict.APPROVE] * 6 + [Verdict.REJECT]),
          says=st.booleans(), seen=st.none() | off, pick=st.integers(0, 15))
    def decide(self, page: str, who: str, run: int, off: int, verdict: Verdict, says: bool, seen: int | None, pick: int) -> Item:
        """Somebody approves or rejects, whether that may be or not; mostly an approver of the active step."""
        approvers = self.histories[page].approvers()
        who = approvers[pick % len(approvers)] if approvers and pick else who
        comment = Comment(text="why", salt="0" * 32) if says else None
        return self._asks(a_decision(
            who, verdict, page_id=page, approval_id=self._named(page, run), comment=comment,
            page_version=max(1, self.histories[page].about + off), expected_version=self._version(page, seen),
        ))

    @rule(target=asked, page=pages, who=st.sampled_from([DAVE] * 4 + ["p0"]), run=off, seen=st.none() | off,
          kind=st.sampled_from([ResetApproval] * 3 + [CancelApproval]))
    def end(self, page: str, who: str, run: int, seen: int | None, kind: type[ResetApproval | CancelApproval]) -> Item:
        """It is reset or cancelled."""
        return self._asks(kind(site_id=SITE, caller=a_caller(who), page_id=page, approval_id=self._named(page, run),
                               expected_version=self._version(page, seen)))

    @rule(target=asked, page=pages)
    def restart(self, page: str) -> Item:
        """It is reset by who may: whoever has decided may decide again."""
        return self._asks(ResetApproval(site_id=SITE, caller=a_caller(DAVE), page_id=page, approval_id=self._named(page, 0)))

    @rule(target=asked, page=pages, editor=people, off=st.integers(-1, 2), minutes=minutes)
    def edit(self, page: str, editor: str, off: int, minutes: int) -> Item:
        """A version is heard of, in any order."""
        at, version = NOON + timedelta(minutes=minutes), (self.histories[page].told()[0] or 5) + off
        return self._asks(a_fact(page_id=page, page_version=version, editor_id=editor, happened_at=at))

    @rule(target=asked, page=pages, change=moves, minutes=minutes)
    def move(self, page: str, change: PageChange, minutes: int) -> Item:
        """It is trashed, archived, brought back, or gone for good, in any order."""
        at = NOON + timedelta(minutes=minutes)
        return self._asks(a_fact(change, page_id=page, page_version=None, editor_id=None, happened_at=at))

    @rule(item=asked)
    def repeat(self, item: Item) -> None:
        """The same command again, with the same id: the same outcome, and nothing changes."""
        if item.envelope.id in self.kept.stored:
            before = _seen(self.kept)
            assert self._append(item) == [self.kept.stored[item.envelope.id]]
            assert _seen(self.kept) == before
        else:
            self._append(item)
            self._heard(item)

    @rule(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=6))
    def cut(self, cuts: list[int]) -> None:
        """However the log is cut into batches, it gives the same outcomes and leaves the same."""
        again, left, outcomes = Kept(self.directory), list(self.log), list[Stored]()
        while left:
            size = cuts[len(again.stored) % len(cuts)]
            outcomes += again.settle(left[:size])
            left = left[size:]
        assert again.stored == self.kept.stored
        assert {o.command_id for o in outcomes} == set(self.kept.stored)
        assert _seen(again) == _seen(self.kept)

    @invariant()
    def every_page_stands_where_its_history_says(self) -> None:
        """Counted on by the one, counted anew by the other."""
        for name, history in self.histories.items():
            page = self.kept.pages.get((SITE, name), Page(SITE, name))
            version, editor, state, state_at = history.told()
            assert (page.version, page.page_version, page.editor_id, page.state, page.state_at) == (
                history.applied, version, editor, state, state_at)
            status, step, voters = history.stands()
            a = page.approval
            assert (a is None) == (status is None)
            if a is not None:
                assert (a.run, a.workflow_id) == (len(history.runs), history.runs[-1][0])
                assert (a.round, a.page_version, a.status) == (history.round, history.about, status)
                assert (a.step, a.approvals) == (step, len(voters))

    @invariant()
    def nobody_votes_twice(self) -> None:
        """Not on one step of one round."""
        votes = [(o.page_id, o.run, o.round, o.step, o.voter_id) for o in self.kept.stored.values() if o.voter_id is not None]
        assert len(votes) == len(set(votes)) == sum(len(history.votes) for history in self.histories.values())

    def teardown(self) -> None:
        """All of it as one batch, too."""
        if hasattr(self, "log"):
            self.cut([max(1, len(self.log))])

    def _named(self, page: str, off: int) -> str:
        return f"{page}-{max(1, len(self.histories[page].runs) + off)}"

    def _version(self, page: str, off: int | None) -> int | None:
        return None if off is None else max(0, self.histories[page].applied + off)

    def _asks(self, message: PageCommand | PageChanged) -> Item:
        """Put it on the log under an id of its own, decide it, and compare what became of it."""
        key = TYPE_OF[type(message)].key
        assert key is not None
        item = Item("t", 0, len(self.log), key(message), Envelope(uuid5(UUID(int=0), str(len(self.log))), NOON, message))
        before, history = _seen(self.kept), self.histories[message.page_id]
        if isinstance(message, PageChanged):
            self._append(item)
            self._heard(item)
            return item
        account = message.caller.account_id or ""
        against = history.against(message, account)
        [outcome] = self._append(item)
        assert (outcome.reason in against) if against else outcome.reason is None, (outcome.reason, against)
        if against:
            assert outcome.event_type == "approvalflow.event.command-refused.v1"
            assert _seen(self.kept) == before
        else:
            assert outcome.event_type == f"approvalflow.event.{history.apply(message, account, NOON)}.v1"
        return item

    def _append(self, item: Item) -> list[Stored]:
        self.log.append(item._replace(offset=len(self.log)))
        return self.kept.settle(self.log[-1:])

    def _heard(self, item: Item) -> None:
        kind, outcome = self.histories[item.data.page_id].hear(item.data), self.kept.stored.get(item.envelope.id)
        assert (None if outcome is None else outcome.event_type) == (None if kind is None else f"approvalflow.event.{kind}.v1")


def _seen(kept: Kept) -> dict[Of, Page]:
    return {at: kept._read(page) for at, page in kept.pages.items() if page.version}


Log.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestLog = Log.TestCase
