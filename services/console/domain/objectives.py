"""Pure: what callers were promised, and how fast its error budget is spent. The alerts judge by the same promises, over days."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.console.domain.reading import Labels, Reading

Share = Callable[[Reading], tuple[float, float]]
"""How many there were, and how many of them were not as promised."""


@dataclass(frozen=True, slots=True)
class Objective:
    """``allowed`` is the share that may miss what was promised."""

    name: str
    promise: str
    what: str
    service: str
    allowed: float
    counted: Share


@dataclass(frozen=True, slots=True)
class Judged:
    """An objective over ``seconds``: ``total`` things, ``missed`` of them not as promised; None where nothing is known."""

    objective: Objective
    seconds: float | None
    total: float
    missed: float

    @property
    def burn(self) -> float:
        """How many times as fast as it may be the error budget is spent."""
        return self.missed / self.total / self.objective.allowed if self.total else 0.0


def _intake(reading: Reading) -> tuple[float, float]:
    name = "approvalflow_command_admissions_total"
    return reading.rise(name), reading.rise(name, lambda labels: labels["outcome"] == "failed" or labels["reason"] == "unavailable")


def _decision(reading: Reading) -> tuple[float, float]:
    return _late(reading, "approvalflow_decision_age_seconds", 1, lambda _: True)


def _audit(reading: Reading) -> tuple[float, float]:
    return _late(reading, "approvalflow_audit_age_seconds", 5, lambda labels: labels["sink"] == "store")


def _late(reading: Reading, histogram: str, seconds: float, which: Callable[[Labels], bool]) -> tuple[float, float]:
    total = reading.rise(f"{histogram}_count", which)
    return total, total - reading.rise(f"{histogram}_bucket", lambda labels: which(labels) and float(labels["le"]) == seconds)


OBJECTIVES = (
    Objective("intake", "99.9 % of requests are answered without an error of ours", "requests", "command", 0.001, _intake),
    Objective("decision", "99 % of batches are decided when at most a second old", "batches", "decision", 0.01, _decision),
    Objective("audit", "99 % of batches are in the audit log when at most five seconds old", "batches", "audit-fanout", 0.01, _audit),
)


def judged(readings: Mapping[str, Reading]) -> list[Judged]:
    """Every objective, by what its service told."""
    found = []
    for objective in OBJECTIVES:
        reading = readings.get(objective.service)
        total, missed = objective.counted(reading) if reading is not None else (0.0, 0.0)
        found.append(Judged(objective, None if reading is None else reading.seconds, total, max(0.0, missed)))
    return found
