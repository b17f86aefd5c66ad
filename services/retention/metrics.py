"""retention's instruments."""

from opentelemetry import metrics, trace

from shared.tracing import Kind

tracer = trace.get_tracer("approvalflow.retention")
_meter = metrics.get_meter("approvalflow.retention")

sweeps = _meter.create_counter(
    "approvalflow.retention.sweeps", unit="{sweep}",
    description="Sweeps by result: done, unfinished (some of it is left to the next), busy (another process sweeps), failed",
)
removed = _meter.create_counter(
    "approvalflow.retention.removed", unit="{record}",
    description="Records removed, by kind",
)
months = _meter.create_counter(
    "approvalflow.retention.months", unit="{month}",
    description="Months of the audit log dropped whole",
)
timeouts = _meter.create_counter(
    "approvalflow.retention.timeouts", unit="{batch}",
    description="Batches and months given up: too slow, a lock not had in time, or an entry come late; by kind",
)
recorded = _meter.create_counter(
    "approvalflow.retention.recorded", unit="{run}",
    description="Finished runs put on the log to be audited, by kind",
)
batch_seconds = _meter.create_histogram(
    "approvalflow.retention.batch.duration", unit="s",
    description="One batch removed, by kind",
)

PUBLISH_RUN = Kind("approvalflow.intake.v1 publish", "A finished run put on the log to be audited, to the broker's acknowledgement")
