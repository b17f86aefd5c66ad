"""What is promised of availability, speed and freshness, and what of the error budget is left."""

from collections.abc import Callable
from typing import NamedTuple

from deploy.grafana.panels import Dashboard, Panel

_ADMISSIONS = "approvalflow_command_admissions_total"


class Objective(NamedTuple):
    """``lost`` gives the share that broke the promise within a PromQL range; ``budget`` is the share that may."""

    name: str
    promise: str
    budget: float
    lost: Callable[[str], str]


def _failed(window: str) -> str:
    failed = f'increase({_ADMISSIONS}{{outcome="failed"}}[{window}]) or increase({_ADMISSIONS}{{reason="unavailable"}}[{window}])'
    return f"(sum({failed}) or vector(0)) / sum(increase({_ADMISSIONS}[{window}]))"


def _slower(histogram: str, seconds: int, labels: str = "") -> Callable[[str], str]:
    def lost(window: str) -> str:
        # The edge of the bucket is written with a fraction or without, by the version of Prometheus.
        within = ",".join(filter(None, (labels, f'le=~"{seconds}|{seconds}.0"')))
        return f"1 - sum(increase({histogram}_bucket{{{within}}}[{window}])) / sum(increase({histogram}_count{{{labels}}}[{window}]))"

    return lost


ALL = (
    Objective("Intake", "99.9 % of requests are answered without an error of ours", 0.001, _failed),
    Objective(
        "Decision", "99 % of batches are decided within 1 s of their oldest record", 0.01,
        _slower("approvalflow_decision_age_seconds", 1),
    ),
    Objective(
        "Audit", "99 % of batches are in the audit store within 5 s of their oldest event", 0.01,
        _slower("approvalflow_audit_age_seconds", 5, 'sink="store"'),
    ),
)


def _panels(objective: Objective) -> tuple[Panel, ...]:
    kept, budget = 1 - objective.budget, objective.budget
    return (
        Panel(
            f"{objective.name}: kept", f"Of 30 days: {objective.promise}.", "percentunit",
            {"kept": f"1 - ({objective.lost('30d')})"}, "stat", 6, "red", {kept: "green"},
        ),
        Panel(
            f"{objective.name}: budget left", "The share of what may go wrong in 30 days that has not. Below nought it is overdrawn.",
            "percentunit", {"left": f"1 - ({objective.lost('30d')}) / {budget}"}, "stat", 6, "red", {0: "orange", 0.25: "green"},
        ),
        Panel(
            f"{objective.name}: burn rate",
            "How many times faster than allowed the budget is used. At 1 it lasts 30 days, at 6 five, at 14.4 two.", "short",
            {window: f"({objective.lost(window)}) / {budget}" for window in ("5m", "1h", "6h", "3d")}, width=12,
            steps={1: "yellow", 6: "orange", 14.4: "red"},
        ),
    )


OBJECTIVES = Dashboard(
    "approvalflow-objectives", "ApprovalFlow: objectives", "What is promised, and what of the error budget is left.",
    {f"{objective.name}: {objective.promise}": _panels(objective) for objective in ALL}, since="now-7d",
)
