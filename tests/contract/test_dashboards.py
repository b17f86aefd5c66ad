"""The dashboards are what their source says, whole, and ask only for what the code tells."""

import json
import re
from collections import Counter
from typing import Any

import pytest
from prometheus_client import REGISTRY
from ruamel.yaml import YAML

from deploy.grafana.__main__ import DASHBOARDS, KEPT
from deploy.grafana.panels import as_text
from services.cli import reference
from tests.contract.sources import ROOT

GRAFANA = ROOT / "deploy/grafana"
UNITS = {"s", "reqps", "cps", "short", "percentunit", "bytes"}
"""Grafana's ids: seconds, requests a second, counts a second, a number, a share of one, bytes."""
HTTP_PORT = 8080
EVERYONES = {"job", "instance", "le"}
METRICS = {sample: set(metric.labels) | EVERYONES for metric in reference.metrics() for sample in metric.samples}
PROCESS = {sample.name: EVERYONES for family in REGISTRY.collect() if family.name.startswith("process_") for sample in family.samples}
SERIES = re.compile(r"\b((?:approvalflow|process|python|http)_\w+)(?:\{([^}]*)\})?")


def loaded(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((KEPT / name).read_text())
    return content


def panels(name: str) -> list[dict[str, Any]]:
    """Every panel but the titles of rows."""
    return [panel for panel in loaded(name)["panels"] if panel["type"] != "row"]


def queries(name: str) -> list[tuple[str, str]]:
    """Each expression, with its panel's title."""
    return [(panel["title"], target["expr"]) for panel in panels(name) for target in panel["targets"]]


def test_what_is_kept_is_what_the_code_says() -> None:
    assert {path.name for path in KEPT.iterdir()} == set(DASHBOARDS)
    different = [name for name, dashboard in DASHBOARDS.items() if (KEPT / name).read_text() != as_text(dashboard)]
    assert not different, "run `python -m deploy.grafana` and look at what changed"


def test_ids_are_unique() -> None:
    assert max(Counter(loaded(name)["uid"] for name in DASHBOARDS).values()) == 1
    for name in DASHBOARDS:
        assert max(Counter(panel["id"] for panel in loaded(name)["panels"]).values()) == 1, name
        for panel in panels(name):
            assert max(Counter(target["refId"] for target in panel["targets"]).values()) == 1, panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_panel_says_what_it_shows_and_in_what_unit(name: str) -> None:
    assert max(Counter(panel["title"] for panel in panels(name)).values()) == 1
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_lie_beside_each_other(name: str) -> None:
    taken = Counter(
        (x, y) for panel in loaded(name)["panels"] for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
    )
    assert max(taken.values()) == 1
    assert max(x for x, _ in taken) == 23


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_series_asked_for_is_served_with_these_labels(name: str) -> None:
    known = METRICS | PROCESS
    for title, expression in queries(name):
        found = SERIES.findall(expression)
        assert found, title
        assert {series for series, _ in found} <= known.keys(), title
        for series, matchers in found:
            assert set(re.findall(r"(\w+)[=!]", matchers)) <= known[series], f"{title}: {series}"
        grouped = {label for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in re.findall(r"\w+", labels)}
        assert grouped <= set.union(*(known[series] for series, _ in found)), title


def test_a_query_of_what_is_not_served_is_noticed() -> None:
    assert SERIES.findall('sum(rate(approvalflow_gone_total{kind="x"}[5m]))') == [("approvalflow_gone_total", 'kind="x"')]
    assert "approvalflow_gone_total" not in METRICS


def test_compose_runs_grafana_on_what_is_provisioned_and_reads_every_service() -> None:
    yaml = YAML(typ="safe")
    services = yaml.load(ROOT / "docker-compose.yml")["services"]
    grafana = services["grafana"]
    mounted = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounted["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    [provider] = yaml.load(GRAFANA / "provisioning/dashboards/approvalflow.yml")["providers"]
    assert mounted["./deploy/grafana/dashboards"] == provider["options"]["path"]
    [source] = yaml.load(GRAFANA / "provisioning/datasources/prometheus.yml")["datasources"]
    assert source["type"] == "prometheus"
    assert source["url"].removeprefix("$") in grafana["environment"]
    targets = json.loads((ROOT / "deploy/compose/services.json").read_text())
    assert [target["labels"]["job"] for target in targets] == [name for name in reference.PACKAGES if name in services]
    assert all(target["targets"] == [f"{target['labels']['job']}:{HTTP_PORT}"] for target in targets)
