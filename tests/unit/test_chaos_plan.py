"""The plan of faults: made by its seed alone, and nothing comes twice before everything came once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chaos.faults import CATALOGUE
from chaos.plan import chance, plan
from chaos.points import POINTS
from services.local.supervisor import SERVICES

seeds = st.integers(min_value=0, max_value=2**31)


@given(seeds)
def test_a_seed_makes_the_same_plan_and_the_same_chances(seed: int) -> None:
    assert plan(seed, 200, CATALOGUE) == plan(seed, 200, CATALOGUE)
    assert chance(seed, 3).random() == chance(seed, 3).random() != chance(seed, 4).random()


@given(seeds, st.integers(min_value=1, max_value=300))
def test_no_fault_comes_again_before_every_other_has_come_as_often(seed: int, count: int) -> None:
    times = Counter(str(fault) for fault in plan(seed, count, CATALOGUE))
    often, rest = divmod(count, len(CATALOGUE))
    assert Counter(times.values()) == Counter({often + 1: rest, often: (len(CATALOGUE) - rest) if often else 0}) - Counter()


def test_another_seed_makes_another_plan() -> None:
    assert len({tuple(map(str, plan(seed, len(CATALOGUE), CATALOGUE))) for seed in range(20)}) == 20


def test_every_service_server_and_named_point_is_struck() -> None:
    points = {(fault.kind, fault.point) for fault in CATALOGUE}
    assert len(points) == len(CATALOGUE)
    for name in (*SERVICES, "broker", "postgres"):
        assert {("kill -9", name), ("pause", name)} <= points
    named = {("kill at", f"{service} {point.__name__}") for service, those in POINTS.items() for point in those}
    assert named <= points
    assert len(named) == sum(map(len, POINTS.values()))
