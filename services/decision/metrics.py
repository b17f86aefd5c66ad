"""decision's instruments."""

from opentelemetry import metrics, trace

from shared.tracing import Kind

tracer = trace.get_tracer("approvalflow.decision")
_meter = metrics.get_meter("approvalflow.decision")

outcomes = _meter.create_counter(
    "approvalflow.decision.outcomes", unit="{command}",
    description="Outcomes by result and reason",
)
duplicates = _meter.create_counter(
    "approvalflow.decision.duplicates", unit="{command}",
    description="Commands that had their outcome already",
)
conflicts = _meter.create_counter(
    "approvalflow.decision.conflicts", unit="{page}",
    description="Pages decided again because another writer was first",
)
quarantined = _meter.create_counter(
    "approvalflow.decision.quarantined", unit="{record}",
    description="Records put in quarantine, by reason",
)
batch_seconds = _meter.create_histogram(
    "approvalflow.decision.batch.duration", unit="s",
    description="From a batch polled to its offsets committed",
)
write_seconds = _meter.create_histogram(
    "approvalflow.decision.write.duration", unit="s",
    description="The conditional write of one batch",
)
publish_seconds = _meter.create_histogram(
    "approvalflow.decision.publish.duration", unit="s",
    description="Publishing one batch, to the last acknowledgement",
)
age_seconds = _meter.create_histogram(
    "approvalflow.decision.age", unit="s",
    description="Age of the oldest record of a batch when it is decided",
)
stalls = _meter.create_counter(
    "approvalflow.decision.stalls", unit="{stall}",
    description="Consumers that fell silent, each of which ended the process",
)
silenced = _meter.create_counter(
    "approvalflow.decision.sessions.ended", unit="{session}",
    description="Sessions of a process that fell silent in the middle of a statement, ended by another",
)

DECIDE = Kind("approvalflow.intake.v1 decide", "A record of the log, from its part being read to its outcome being stored")
