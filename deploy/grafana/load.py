"""What a load test shows: how much, how late, on what, and where it waits."""

from deploy.grafana.panels import WINDOW, Dashboard, Panel, or_zero, quantile, rate

_OURS = "and on (job, instance) approvalflow_process_loop_delay_seconds_count"
"""Of what every process tells, only that of the system's own."""


def _both(named: str, buckets: str) -> dict[str, str]:
    return {f"{named}, half within": quantile(0.5, buckets), f"{named}, 99 % within": quantile(0.99, buckets)}


RATES = (
    Panel(
        "Rates", "How many a second pass each part. Where one stays below the one before, records pile up between them.", "cps",
        {
            "accepted": or_zero(rate('approvalflow_command_admissions_total{outcome=~"accepted|applied"}')),
            "decided": rate("approvalflow_decision_outcomes_total"),
            "audited": rate('approvalflow_audit_recorded_total{sink="store"}'),
            "archived": rate('approvalflow_audit_recorded_total{sink="archive"}'),
        }, width=12,
    ),
    Panel(
        "Waiting", "Records that wait for each consumer group, as the broker tells.", "short",
        {"{{group}}": "max by (group) (approvalflow_group_lag)"}, width=12,
    ),
)
AGES = (
    Panel(
        "Edge", "From a request to its acceptance or refusal, and the broker's part of it.", "s",
        _both("admitted", "approvalflow_command_admission_duration_seconds_bucket")
        | _both("on the log", "approvalflow_command_publish_duration_seconds_bucket"),
    ),
    Panel(
        "Age when decided", "From acceptance to the decision, for the oldest of each batch.", "s",
        _both("decided", "approvalflow_decision_age_seconds_bucket"), steps={1: "red"},
    ),
    Panel(
        "Age when audited", "From an event's moment to its being written, for the oldest of each batch.", "s",
        _both("store", 'approvalflow_audit_age_seconds_bucket{sink="store"}')
        | _both("archive", 'approvalflow_audit_age_seconds_bucket{sink="archive"}'), steps={5: "red"},
    ),
    Panel(
        "A batch of decision", "From a batch polled to its offsets committed, and its parts; 99 % within.", "s",
        {
            "whole": quantile(0.99, "approvalflow_decision_batch_duration_seconds_bucket"),
            "write": quantile(0.99, "approvalflow_decision_write_duration_seconds_bucket"),
            "publish": quantile(0.99, "approvalflow_decision_publish_duration_seconds_bucket"),
        },
    ),
    Panel(
        "A batch of audit", "One batch written to a sink; 99 % within.", "s",
        {"{{sink}}": quantile(0.99, "approvalflow_audit_sink_duration_seconds_bucket", "sink")},
    ),
    Panel(
        "Reads", "From a request to console to its answer.", "s", _both("read", "approvalflow_console_read_duration_seconds_bucket"),
    ),
)
RESOURCES = (
    Panel(
        "CPU", "Of one core, by process.", "percentunit",
        {"{{job}} {{instance}}": f"sum by (job, instance) (rate(process_cpu_seconds_total[{WINDOW}]) {_OURS})"}, width=12,
    ),
    Panel(
        "Memory", "Resident, by process. Under a steady load it must be flat.", "bytes",
        {"{{job}} {{instance}}": f"sum by (job, instance) (process_resident_memory_bytes {_OURS})"}, width=12,
    ),
    Panel(
        "Loop delay", "How late each event loop runs what is due; 99 % within. It rises before a core is full.", "s",
        {"{{job}} {{instance}}": quantile(0.99, "approvalflow_process_loop_delay_seconds_bucket", "job, instance")}, width=12,
    ),
    Panel(
        "Wait for a connection", "From asking for a database connection to having it; 99 % within.", "s",
        {"{{job}} {{instance}}": quantile(0.99, "approvalflow_pool_wait_seconds_bucket", "job, instance")}, width=12,
    ),
)
CONTENTION = (
    Panel(
        "Conflicts", "What was done again since another writer was first: pages by decision, batches by the audit store.", "cps",
        {
            "decision": or_zero(rate("approvalflow_decision_conflicts_total")),
            "audit": or_zero(rate("approvalflow_audit_conflicts_total")),
        },
    ),
    Panel(
        "Seen before", "Commands that had their outcome, and events that the store had: what was read again after a restart.", "cps",
        {
            "commands": or_zero(rate("approvalflow_decision_duplicates_total")),
            "events": or_zero(rate("approvalflow_audit_repeated_total")),
        },
    ),
    Panel(
        "Refused", "By reason, at the edge and when decided.", "cps",
        {
            "edge: {{reason}}": or_zero(rate('approvalflow_command_admissions_total{outcome="refused"}', "reason")),
            "decided: {{reason}}": or_zero(rate('approvalflow_decision_outcomes_total{reason!="applied"}', "reason")),
        },
    ),
)
LOAD = Dashboard(
    "approvalflow-load", "ApprovalFlow: load test", "How much, how late, on what, and where it waits.",
    {"How much": RATES, "How late": AGES, "On what": RESOURCES, "Where it waits": CONTENTION}, since="now-15m",
)
