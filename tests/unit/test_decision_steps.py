"""The rules of a step, against an oracle that recounts every vote from scratch."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.decision.domain.page import decide
from services.rules.state import Page
from shared.contracts.commands import Verdict
from shared.contracts.events import CommandRefused, Status
from shared.contracts.reasons import Reason
from shared.contracts.workflow import AccountApprover, All, Approver, Definition, GroupApprover, Quorum, Rule, Step
from shared.contracts.workflow import Any as AnyRule
from tests.builders import NOON, a_cause, a_decision, a_page, an_approval, known

PEOPLE = [f"p{i}" for i in range(6)]
MEMBERS = {"g0": {"p0", "p1"}, "g1": {"p1", "p4"}, "g2": {"p5"}}

approvers = st.lists(
    st.one_of(
        st.sampled_from(PEOPLE).map(lambda p: AccountApprover(id=p)),
        st.sampled_from(list(MEMBERS)).map(lambda g: GroupApprover(id=g)),
    ), min_size=1, max_size=5, unique_by=lambda a: (a.kind, a.id),
)


def _rule(approvers: list[Approver]) -> st.SearchStrategy[Rule]:
    people = sum(1 if a.kind == "account" else 2 for a in approvers)
    return st.one_of(st.just(All()), st.just(AnyRule()), st.integers(1, people).map(lambda n: Quorum(n=n))).filter(
        lambda r: not isinstance(r, Quorum) or r.n <= len(approvers)
    )


steps = approvers.flatmap(lambda a: _rule(a).map(lambda r: Step(name="s", approvers=tuple(a), rule=r)))
definitions = st.lists(steps, min_size=1, max_size=3).map(
    lambda s: Definition(name="d", steps=tuple(s), four_eyes=False)
)
votes = st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(Verdict)), max_size=25)


def _speaks_for(approver: Approver, person: str) -> bool:
    return person == approver.id if approver.kind == "account" else person in MEMBERS[approver.id]


def _enough(step: Step, voters: set[str]) -> bool:
    if step.rule.kind == "quorum":
        return len(voters) >= step.rule.n
    if step.rule.kind == "any":
        return len(voters) > 0
    return all(any(_speaks_for(a, v) for v in voters) for a in step.approvers)


def _oracle(definition: Definition, cast: list[tuple[str, Verdict]]) -> tuple[Status, int, list[bool]]:
    """Replay the votes by definition: status, active step, and which of them counted."""
    step, voters, status, counted = 0, set[str](), Status.OPEN, []
    for person, verdict in cast:
        active = definition.steps[step]
        ok = status is Status.OPEN and person not in voters and any(_speaks_for(a, person) for a in active.approvers)
        counted.append(ok)
        if not ok:
            continue
        if verdict is Verdict.REJECT:
            status = Status.REJECTED
            continue
        voters.add(person)
        if _enough(active, voters):
            if step + 1 == len(definition.steps):
                status = Status.APPROVED
            else:
                step, voters = step + 1, set()
    return status, step, counted


@given(definitions, votes)
def test_any_sequence_of_votes_ends_where_recounting_them_ends(
    definition: Definition, cast: list[tuple[str, Verdict]]
) -> None:
    page: Page = a_page(an_approval())
    counted = []
    for person, verdict in cast:
        mine = tuple((g, NOON - timedelta(hours=1)) for g, members in MEMBERS.items() if person in members)
        comment = {"text": "no", "salt": "0" * 32} if verdict is Verdict.REJECT else None
        before = page
        outcome = decide(
            a_decision(person, verdict, comment=comment), a_cause(person), page, known(definition, groups=mine), NOON
        )
        assert outcome is not None
        page = outcome.state
        applied = not isinstance(outcome.event, CommandRefused)
        assert page.version == before.version + applied
        assert (page is before) is not applied
        counted.append(applied)
    assert page.approval is not None
    status, step, expected = _oracle(definition, cast)
    assert (page.approval.status, page.approval.step, counted) == (status, step, expected)


def test_stale_membership_allows_nothing() -> None:
    definition = Definition(name="d", four_eyes=False, steps=(
        Step(name="s", approvers=(GroupApprover(id="g0"),), rule=AnyRule()),
    ))
    stale = known(definition, groups=(("g0", NOON - timedelta(hours=25)),))
    outcome = decide(a_decision("p0"), a_cause("p0"), a_page(an_approval()), stale, NOON)
    assert outcome is not None
    assert isinstance(outcome.event, CommandRefused)
    assert outcome.event.reason is Reason.FACTS_STALE
