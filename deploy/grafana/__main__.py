"""Writes the dashboards."""

from pathlib import Path

from deploy.grafana.flow import FLOW
from deploy.grafana.load import LOAD
from deploy.grafana.objectives import OBJECTIVES
from deploy.grafana.panels import as_text

KEPT = Path(__file__).parent / "dashboards"
DASHBOARDS = {"flow.json": FLOW, "objectives.json": OBJECTIVES, "load.json": LOAD}

if __name__ == "__main__":
    for name, dashboard in DASHBOARDS.items():
        (KEPT / name).write_text(as_text(dashboard))
