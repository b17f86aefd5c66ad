"""Dashboards as data, and as the JSON that Grafana reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

WINDOW = "$__rate_interval"
_ALL, _HEIGHT = 24, 7
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. ``queries`` are PromQL by legend, ``steps`` colours by the value they begin at; ``unit`` is Grafana's id of one."""

    title: str
    description: str
    unit: str
    queries: Mapping[str, str]
    kind: str = "timeseries"
    width: int = 8
    colour: str = "green"
    steps: Mapping[float, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Rows of panels, by the row's title."""

    uid: str
    title: str
    description: str
    rows: Mapping[str, Sequence[Panel]]
    since: str = "now-1h"


def rate(series: str, by: str = "") -> str:
    """How fast counters rise, in a second."""
    return f"sum{f' by ({by})' if by else ''} (rate({series}[{WINDOW}]))"


def quantile(share: float, buckets: str, by: str = "") -> str:
    """What this share of the observations is at most."""
    return f"histogram_quantile({share}, sum by ({', '.join(filter(None, ('le', by)))}) (rate({buckets}[{WINDOW}])))"


def or_zero(expression: str) -> str:
    """Nought where there is nothing, as of a counter that nothing has raised yet."""
    return f"{expression} or on() vector(0)"


_MARKS = {
    "name": "Benchmarks and faults", "enable": True, "iconColor": "purple", "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "target": {"type": "tags", "tags": ["approvalflow"], "matchAny": True, "limit": 500},
}
"""What ``services.local.annotations`` tells Grafana of."""


def as_text(dashboard: Dashboard) -> str:
    """A dashboard as it is kept."""
    made = {
        "uid": dashboard.uid, "title": dashboard.title, "description": dashboard.description, "tags": ["approvalflow"],
        "schemaVersion": 41, "editable": False, "refresh": "30s", "time": {"from": dashboard.since, "to": "now"}, "timezone": "browser",
        "graphTooltip": 1, "links": [{"type": "dashboards", "title": "ApprovalFlow", "tags": ["approvalflow"], "keepTime": True}],
        "annotations": {"list": [_MARKS]},
        "templating": {"list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]},
        "panels": _placed(dashboard.rows),
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _placed(rows: Mapping[str, Sequence[Panel]]) -> list[dict[str, Any]]:
    """Every panel and the row above it, from left to right and downwards."""
    placed: list[dict[str, Any]] = []
    numbers, y = count(1), 0
    for title, panels in rows.items():
        place = {"h": 1, "w": _ALL, "x": 0, "y": y}
        placed.append({"id": next(numbers), "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []})
        x, y = 0, y + 1
        for panel in panels:
            if x + panel.width > _ALL:
                x, y = 0, y + _HEIGHT
            place = {"h": _HEIGHT, "w": panel.width, "x": x, "y": y}
            placed.append({"id": next(numbers), "gridPos": place, **_shown(panel)})
            x += panel.width
        y += _HEIGHT
    return placed


def _shown(panel: Panel) -> dict[str, Any]:
    steps = [{"color": panel.colour, "value": None}, *({"color": colour, "value": value} for value, colour in panel.steps.items())]
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
        options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        edges = {"mode": "line" if panel.steps else "off"}
        defaults |= {"color": {"mode": "palette-classic"}, "custom": {"fillOpacity": 10, "thresholdsStyle": edges}, "min": 0}
    else:
        options = {"graphMode": "none", "colorMode": "value", "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
        defaults |= {"color": {"mode": "thresholds"}, "noValue": "nothing yet"}
    asked = {"range": panel.kind == "timeseries", "instant": panel.kind == "stat"}
    return {
        "type": panel.kind, "title": panel.title, "description": panel.description, "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options,
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": _SOURCE, "expr": expression, "legendFormat": legend, **asked}
            for n, (legend, expression) in enumerate(panel.queries.items())
        ],
    }
