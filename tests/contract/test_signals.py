"""The reference of signals is what the code tells, and misses nothing of it."""

import ast

import pytest

from services.cli import reference, signals
from shared.metrics import LABELS
from tests.contract.sources import ROOT, calls, files
from tests.contract.test_architecture import made
from tests.contract.test_logs import LEVELS, MADE, NAMED

METRICS = reference.metrics()


def test_what_is_kept_is_what_the_code_says() -> None:
    same = (ROOT / "docs/signals.md").read_text() == signals.page()
    assert same, "docs/signals.md differs from the code: run `python -m services.cli documents` and look at what changed"


def test_every_instrument_is_in_it_once() -> None:
    assert len(METRICS) == len({metric.name for metric in METRICS}) == len(list(made()))


def test_a_name_is_what_prometheus_is_served() -> None:
    named = {metric.name: metric for metric in METRICS}
    assert named["approvalflow_decision_outcomes_total"].samples == {"approvalflow_decision_outcomes_total"}
    assert named["approvalflow_consumer_lag"].samples == {"approvalflow_consumer_lag"}
    duration = "approvalflow_decision_batch_duration_seconds"
    assert named[duration].samples == {f"{duration}_{part}" for part in ("bucket", "count", "sum")}


@pytest.mark.parametrize(("metric", "labels"), [
    ("approvalflow_command_admissions_total", ("channel", "outcome", "reason")),
    ("approvalflow_audit_age_seconds", ("sink",)),
    ("approvalflow_consumer_lag", ("group", "partition")),
    ("approvalflow_command_stalls_total", ("group",)),
    ("approvalflow_facts", ("fresh", "kind")),
    ("approvalflow_pool_wait_seconds", ()),
])
def test_labels_are_found_however_they_are_written(metric: str, labels: tuple[str, ...]) -> None:
    assert [each.labels for each in METRICS if each.name == metric] == [labels]


def test_labels_come_from_the_closed_list_and_all_of_it_are_used() -> None:
    assert {label for metric in METRICS for label in metric.labels} == set(LABELS)


def test_every_span_and_every_sentence_of_the_log_is_in_it() -> None:
    kinds = [span.name for span in reference.spans()]
    assert len(kinds) == len({(span.service, span.name) for span in reference.spans()}) > 0
    said = {
        ast.literal_eval(call.args[0]) for path in files("services", "shared") for call, name in calls(path)
        if name in LEVELS and ast.unparse(call.func).rpartition(".")[0] in {MADE, *NAMED}
    }
    assert {event.text for event in reference.log_events()} == said


def test_a_table_holds_together() -> None:
    for line in signals.page().splitlines():
        assert line.count("|") in {0, 3, 4, 6}, line
