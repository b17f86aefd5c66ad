"""Rates and promises, from what services show of themselves at two moments."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Response
from ruamel.yaml import YAML

from services.console.domain.flow import hops
from services.console.domain.objectives import OBJECTIVES, Objective, judged
from services.console.domain.reading import Reading
from services.console.signals import Signals, counts, samples
from services.console.web.audit import Verified, verified

COMMAND = """# HELP approvalflow_command_admissions_total Requests.
# TYPE approvalflow_command_admissions_total counter
approvalflow_command_admissions_total{{channel="forge",outcome="accepted",otel_scope_name="command",reason="none"}} {good}
approvalflow_command_admissions_total{{channel="forge",outcome="refused",otel_scope_name="command",reason="unavailable"}} {bad}
approvalflow_command_admissions_total{{channel="forge",outcome="failed",otel_scope_name="command",reason="unavailable"}} {failed}
approvalflow_command_publish_duration_seconds_count {good}
approvalflow_command_publish_duration_seconds_sum 17
approvalflow_pool_wait_seconds_count 99
"""
DECISION = """approvalflow_decision_age_seconds_bucket{{le="0.5"}} {fast}
approvalflow_decision_age_seconds_bucket{{le="1.0"}} {fast}
approvalflow_decision_age_seconds_bucket{{le="+Inf"}} {all}
approvalflow_decision_age_seconds_count {all}
approvalflow_decision_outcomes_total{{reason="applied"}} {all}
"""
AUDIT = """approvalflow_audit_age_seconds_bucket{{le="5.0",sink="store"}} {fast}
approvalflow_audit_age_seconds_count{{sink="store"}} {all}
approvalflow_audit_age_seconds_bucket{{le="5.0",sink="archive"}} 0
approvalflow_audit_age_seconds_count{{sink="archive"}} {all}
approvalflow_audit_recorded_total{{sink="store"}} {all}
approvalflow_audit_recorded_total{{sink="archive"}} {fast}
approvalflow_audit_verified 12.0
"""


def reading(text: str, first: Mapping[str, int], last: Mapping[str, int], seconds: float = 20) -> Reading:
    return Reading(seconds, dict(samples(text.format(**first))), dict(samples(text.format(**last))))


DECIDED = "approvalflow_decision_outcomes_total"
READINGS = {
    "command": reading(COMMAND, {"good": 100, "bad": 0, "failed": 0}, {"good": 296, "bad": 3, "failed": 1}),
    "decision": reading(DECISION, {"fast": 10, "all": 10}, {"fast": 109, "all": 110}),
    "audit-fanout": reading(AUDIT, {"fast": 0, "all": 0}, {"fast": 40, "all": 40}),
}


def test_only_what_matters_is_read() -> None:
    names = {sample[0] for sample, _ in samples(COMMAND.format(good=1, bad=2, failed=3))}
    assert names == {"approvalflow_command_admissions_total", "approvalflow_command_publish_duration_seconds_count"}


def test_a_label_that_is_there_for_the_first_time_rose_from_nothing() -> None:
    late = Reading(10, {}, dict(samples('approvalflow_decision_outcomes_total{reason="applied"} 5\n')))
    assert (late.rise("approvalflow_decision_outcomes_total"), late.rate("approvalflow_decision_outcomes_total")) == (5, 0.5)


def test_a_gauge_shows_what_it_shows_now() -> None:
    assert READINGS["audit-fanout"].present("approvalflow_audit_verified") == 12
    assert READINGS["audit-fanout"].present("approvalflow_audit_chain_broken") is None
    assert not counts("approvalflow_audit_verified")


def test_promises_are_judged_by_their_service_alone() -> None:
    intake, decision, audit = judged(READINGS)
    assert (intake.total, intake.missed, round(intake.burn, 3)) == (200, 4, 20)
    assert (decision.total, decision.missed, round(decision.burn, 3)) == (100, 1, 1)
    assert (audit.total, audit.missed, audit.burn) == (40, 0, 0)


def test_without_traffic_or_without_a_word_there_is_nothing_to_judge() -> None:
    still = reading(DECISION, {"fast": 5, "all": 5}, {"fast": 5, "all": 5})
    intake, decision, _ = judged({"decision": still})
    assert (intake.seconds, intake.burn) == (None, 0)
    assert (decision.seconds, decision.total, decision.burn) == (20, 0, 0)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_the_promises_are_those_of_the_alerts(objective: Objective) -> None:
    rules = YAML(typ="safe").load(Path("deploy/prometheus/rules/objectives.yml"))["groups"][0]["rules"]
    found = {rule["labels"]["objective"]: rule["expr"] for rule in rules if rule.get("record") == "approvalflow:burn:5m"}
    assert set(found) == {each.name for each in OBJECTIVES}
    assert float(re.findall(r"/ ([0-9.]+)$", found[objective.name])[0]) == objective.allowed


@pytest.mark.parametrize(("shown", "found"), [
    ({}, None),
    ({"verified_age_seconds": 42}, Verified(42, None, False)),
    ({"verified_age_seconds": 1, "verified": 7, "chain_broken": 0}, Verified(1, 7, False)),
    ({"verified_age_seconds": 1, "verified": 7, "chain_broken": 1}, Verified(1, 7, True)),
])
def test_what_the_last_look_at_the_audit_log_found(shown: dict[str, int], found: Verified | None) -> None:
    text = "".join(f"approvalflow_audit_{name} {value}\n" for name, value in shown.items())
    assert verified(Reading(10, {}, dict(samples(text)))) == found
    assert verified(None) is None


def test_each_part_of_the_way_has_its_rate_and_what_waits_there() -> None:
    way = hops(READINGS, {"decision": 7, "audit-fanout-store": 0})
    assert {name: hop.rate for name, hop in way.items()} == {
        "asked": 10, "put": 9.8, "decided": 5, "told": 5, "stored": 2, "archived": 2, "removed": None,
    }
    assert {name: hop.lag for name, hop in way.items() if hop.lag is not None} == {"decided": 7, "stored": 0}
    assert {hop.rate for hop in hops({}, {}).values()} == {None}


class Told:
    """A service, and what it shows; None, if it does not."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.app = FastAPI()
        self.app.add_api_route("/metrics", self.metrics)

    async def metrics(self) -> Response:
        return Response(self.text or "", 503 if self.text is None else 200)


@pytest.fixture
async def told() -> AsyncIterator[tuple[Told, Signals]]:
    """A service and who reads it."""
    service = Told()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service.app)) as client:
        yield service, Signals(client, {"decision": "http://decision"}, 5)


async def looked(service: Told, signals: Signals, *counts: int | None) -> float | None:
    """How much more was decided than at first, after looks at which so many were."""
    for count in counts:
        service.text = None if count is None else f'{DECIDED}{{reason="applied"}} {count}\n'
        await signals.look()
    reading = signals.readings().get("decision")
    return None if reading is None else reading.rise(DECIDED)


@pytest.mark.parametrize(("counts", "rise"), [
    ([], None), ([5], None), ([None], None), ([5, 9, 12], 7), ([5, 9, 2], None), ([5, 9, 2, 6], 4), ([5, 9, None], None),
    ([5, None, 9, 12], 3),
])
async def test_a_process_is_judged_from_its_start_on(told: tuple[Told, Signals], counts: list[int | None], rise: float | None) -> None:
    assert await looked(*told, *counts) == rise


async def test_what_is_no_exposition_tells_nothing(told: tuple[Told, Signals]) -> None:
    service, signals = told
    service.text = f"{DECIDED} many\n"
    await signals.look()
    await signals.look()
    assert signals.readings() == {}
