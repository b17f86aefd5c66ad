"""audit-fanout's instruments."""

from opentelemetry import metrics, trace

from shared.metrics import Gauge
from shared.tracing import Kind

tracer = trace.get_tracer("approvalflow.audit_fanout")
_meter = metrics.get_meter("approvalflow.audit_fanout")

recorded = _meter.create_counter(
    "approvalflow.audit.recorded", unit="{entry}",
    description="Events written, by sink",
)
repeated = _meter.create_counter(
    "approvalflow.audit.repeated", unit="{event}",
    description="Events that the store had already",
)
conflicts = _meter.create_counter(
    "approvalflow.audit.conflicts", unit="{batch}",
    description="Batches linked again because another writer was first",
)
quarantined = _meter.create_counter(
    "approvalflow.audit.quarantined", unit="{record}",
    description="Records that are no event",
)
sink_seconds = _meter.create_histogram(
    "approvalflow.audit.sink.duration", unit="s",
    description="One batch written to a sink, by sink",
)
age_seconds = _meter.create_histogram(
    "approvalflow.audit.age", unit="s",
    description="From an event's moment to its being written, for the oldest of a batch, by sink",
)
stalls = _meter.create_counter(
    "approvalflow.audit.stalls", unit="{stall}",
    description="Consumers that fell silent, each of which ended the process",
)
broken = Gauge(
    _meter, "approvalflow.audit.chain.broken", unit="{log}",
    description="1 if the audit log was not as it was written when it was last verified, else 0",
)
verified = Gauge(
    _meter, "approvalflow.audit.verified", unit="{entry}",
    description="Entries that were as they were written when the audit log was last verified",
)
verified_age = Gauge(
    _meter, "approvalflow.audit.verified.age", unit="s",
    description="Since the audit log was last verified as a whole, or since the start",
)

STORE = Kind("approvalflow.events.v1 store", "An event, from being read to its entry in the audit log being durable")
ARCHIVE = Kind("approvalflow.events.v1 archive", "An event, from being read to its archive segment being durable")
