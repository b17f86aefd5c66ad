"""What measurements are made of, where a mistake would only show as a wrong number."""

import itertools
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from aiokafka.partitioner import DefaultPartitioner

from bench.edge import _over
from bench.load import Load, Place, Shape, asked_at, identity, partition_of
from bench.measure import Sample, Span
from bench.pour import Moments
from bench.report import Figure, Goal, Run
from bench.visible import Watch
from bench.visitors import DECIDE, HOOK, Spread, Visited
from shared.clock import now
from shared.contracts.commands import RecordDecision
from shared.contracts.envelope import parse
from shared.contracts.topics import INTAKE


def _decisions(places: Sequence[Place], shape: Shape) -> list[tuple[str, str, str | None]]:
    read = [parse(INTAKE, m.value, tuple(m.headers)).data for m in Load(places, shape).decisions()]
    assert all(isinstance(message, RecordDecision) for message in read)
    return [(m.site_id, m.page_id, m.caller.account_id) for m in read if isinstance(m, RecordDecision)]


def test_every_page_gets_the_votes_that_approve_it_in_order() -> None:
    shape, places = Shape(((3, 2), (1, 1))), [Place("one", "1"), Place("two", "2")]
    asked = _decisions(places, shape)
    assert len(asked) == len(Load(places, shape)) == 6
    for place in places:
        assert [who for *where, who in asked if tuple(where) == place] == ["approver-0-0", "approver-0-1", "approver-1-0"]
    assert [step.rule.model_dump() for step in shape.definition().steps] == [{"kind": "quorum", "n": 2}, {"kind": "quorum", "n": 1}]


@pytest.mark.parametrize("key", [b"site:1", b"site:77", "sité:x".encode()])
def test_a_record_goes_where_its_key_would_send_it(key: bytes) -> None:
    partitions = list(range(8))
    assert partition_of(key, 8) == DefaultPartitioner()(key, partitions, partitions)


def test_an_id_says_when_and_is_new_each_time() -> None:
    moment = now()
    assert asked_at(identity(moment)) == pytest.approx(moment.timestamp(), abs=0.001)
    assert len({identity(moment) for _ in range(1000)}) == 1000


def test_a_span_is_what_lies_between_two_samples() -> None:
    span = Span(Sample(100, {"a": 1.0, "b": 4.0}, 10.0), Sample(300, {"a": 1.5, "b": 4.0}, 12.0))
    assert (span.done, span.seconds, span.rate) == (200, 2.0, 100.0)
    assert span.microseconds() == {"a": pytest.approx(2500), "b": 0.0}


def test_a_figure_tells_its_spread_and_what_a_cpu_second_does() -> None:
    figure = Figure(name="x", unit="decisions/s", runs=[Run(value=v, cpu={"a": v, "b": 100}) for v in (300, 100, 200)])
    assert figure.spread() == (100, 200, 300)
    assert figure.cpu() == {"a": 200, "b": 100}
    assert figure.a_cpu_second() == pytest.approx(1e6 / 300)
    assert Figure(name="x", unit="ms", runs=[Run(value=1)]).a_cpu_second() is None


def test_a_goal_is_met_from_its_own_side() -> None:
    assert Goal(what="x", wanted=5, measured=5).met
    assert not Goal(what="x", wanted=5, measured=4.9).met
    assert not Goal(what="x", wanted=5, measured=5.1, at_most=True).met


def test_an_entry_is_found_when_its_chain_was_first_seen_to_reach_it() -> None:
    watch = Watch()
    for position, at in ((3, 10.0), (3, 11.0), (7, 12.0)):
        watch.note(0, position, at)
    assert [watch.seen(0, position) for position in (1, 3, 4, 7)] == [10.0, 10.0, 12.0, 12.0]
    with pytest.raises(IndexError):
        watch.seen(0, 8)


def test_moments_are_fixed_and_none_is_left_out() -> None:
    moments = Moments(1000.0)
    moments.start = time.time() - 1.0
    due = moments.due()
    assert due == pytest.approx(1000, abs=100)
    given = [moments() for _ in range(due)]
    assert [round((later - earlier).total_seconds(), 4) for earlier, later in itertools.pairwise(given)] == [0.001] * (due - 1)


def _visited(p99: float, lag: float = 1.0, **answers: int) -> Visited:
    latency = {DECIDE: Spread(count=1000, p99=p99), HOOK: Spread(count=250)}
    return Visited(latency=latency, lag=Spread(p99=lag), answers=Counter(answers), cpu=0.1)


def test_a_rate_is_bearable_or_it_is_said_why_not() -> None:
    assert _over(_visited(99.0, **{"200": 1000})) == ""
    assert "p99 101" in _over(_visited(101.0, **{"200": 1000}))
    assert "load generator was itself" in _over(_visited(99.0, lag=30.0, **{"200": 1000}))
    assert "refused" in _over(_visited(99.0, **{"200": 900, "503": 100}))
