"""Pure: the way of a command through the services, with how much goes along each part of it and how much waits there."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.console.domain.reading import Reading


@dataclass(frozen=True, slots=True)
class Hop:
    """One part of the way. ``rate`` is a second, None where it is not known; ``lag`` only where something can wait."""

    source: str
    target: str
    what: str
    rate: float | None
    lag: int | None = None


def hops(readings: Mapping[str, Reading], behind: Mapping[str, int]) -> dict[str, Hop]:
    """The whole way, in order; ``behind`` is by how many records each group is, as far as that is known."""

    def rate(service: str, *names: str, sink: str | None = None) -> float | None:
        reading = readings.get(service)
        if reading is None:
            return None
        return sum(reading.rate(name, lambda labels: sink is None or labels["sink"] == sink) for name in names)

    decided = rate("decision", "approvalflow_decision_outcomes_total")
    asked = rate("command", "approvalflow_command_admissions_total", "approvalflow_command_webhooks_total")
    put = rate("command", "approvalflow_command_publish_duration_seconds_count")
    stored, archived = (rate("audit-fanout", "approvalflow_audit_recorded_total", sink=sink) for sink in ("store", "archive"))
    gone = rate("retention", "approvalflow_retention_removed_total")
    return {
        "asked": Hop("Confluence and people", "command", "requests", asked),
        "put": Hop("command", "intake.v1", "messages", put),
        "decided": Hop("intake.v1", "decision", "outcomes", decided, behind.get("decision")),
        "told": Hop("decision", "events.v1", "events", decided),
        "stored": Hop("events.v1", "audit log", "entries", stored, behind.get("audit-fanout-store")),
        "archived": Hop("events.v1", "archive", "entries", archived, behind.get("audit-fanout-archive")),
        "removed": Hop("retention", "audit log", "records removed", gone),
    }
