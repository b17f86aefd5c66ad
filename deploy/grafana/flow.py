"""What passes through each part of the system, in the order it flows."""

from deploy.grafana.panels import WINDOW, Dashboard, Panel, or_zero, quantile, rate

_ADMISSIONS = "approvalflow_command_admissions_total"

NOW = (
    Panel(
        "Intake", "Commands and facts accepted a second.", "reqps",
        {"accepted": or_zero(rate(f'{_ADMISSIONS}{{outcome=~"accepted|applied"}}'))}, "stat", 4,
    ),
    Panel(
        "Log", "Records that wait for decision, as the broker tells.", "short",
        {"waiting": 'max(approvalflow_group_lag{group="decision"})'}, "stat", 4, steps={1000: "orange", 50_000: "red"},
    ),
    Panel("Decision", "Outcomes a second, refusals too.", "cps", {"decided": rate("approvalflow_decision_outcomes_total")}, "stat", 4),
    Panel(
        "Audit", "Events a second written to the audit store.", "cps",
        {"audited": rate('approvalflow_audit_recorded_total{sink="store"}')}, "stat", 4,
    ),
    Panel(
        "Retention", "Records removed in a day.", "short",
        {"removed": or_zero("sum(increase(approvalflow_retention_removed_total[1d]))")}, "stat", 4,
    ),
    Panel(
        "Quarantine", "Records that no service could handle. Each waits for an operator, and so does all that follows it on its page.",
        "short", {"held": "sum(max by (service) (approvalflow_quarantine_records))"}, "stat", 4, steps={1: "red"},
    ),
)
INTAKE = (
    Panel(
        "Requests by outcome", "What became of each request to command. Failed means an error of ours.", "reqps",
        {"{{outcome}}": rate(_ADMISSIONS, "outcome")},
    ),
    Panel(
        "Refused at the edge", "Refusals by reason. Many of unauthenticated or not_permitted may be someone trying doors.", "reqps",
        {"{{reason}}": or_zero(rate(f'{_ADMISSIONS}{{outcome="refused"}}', "reason"))},
    ),
    Panel(
        "Time to admit", "From a request to its acceptance or refusal, and the broker's part of it.", "s",
        {
            "admitted, half within": quantile(0.5, "approvalflow_command_admission_duration_seconds_bucket"),
            "admitted, 99 % within": quantile(0.99, "approvalflow_command_admission_duration_seconds_bucket"),
            "on the log, 99 % within": quantile(0.99, "approvalflow_command_publish_duration_seconds_bucket"),
        },
    ),
    Panel(
        "Confluence events", "Webhooks by channel and kind; most kinds change no approval and are let be.", "cps",
        {"{{channel}} {{kind}}": or_zero(rate("approvalflow_command_webhooks_total", "channel, kind"))},
    ),
    Panel(
        "Without the database", "What command accepted without a claim of its key, and how often the database did not answer.", "cps",
        {
            "unclaimed": or_zero(rate("approvalflow_command_unclaimed_total")),
            "not answered": or_zero(rate("approvalflow_command_database_failures_total")),
        },
    ),
    Panel("In flight", "Requests being admitted.", "short", {"requests": "sum(approvalflow_command_in_flight)"}),
)
LOG = (
    Panel(
        "Waiting by group", "Records that wait for each consumer group, as the broker tells, whether or not anybody consumes.", "short",
        {"{{group}}": "max by (group) (approvalflow_group_lag)"},
    ),
    Panel(
        "Waiting by partition", "The partitions most behind, as the member that has each sees it.", "short",
        {"{{group}} {{partition}}": "topk(8, sum by (group, partition) (approvalflow_consumer_lag))"},
    ),
    Panel(
        "Progress", "Records a second that each group moves on by. With records waiting it must not be nought.", "cps",
        {"{{group}}": f"sum by (group) (deriv(approvalflow_consumer_position[{WINDOW}]))"},
    ),
)
DECISION = (
    Panel(
        "Outcomes", "Commands and facts by outcome: applied, or the reason they were refused for.", "cps",
        {"{{reason}}": rate("approvalflow_decision_outcomes_total", "reason")},
    ),
    Panel(
        "Age when decided", "From acceptance to the decision, for the oldest of each batch.", "s",
        {
            "half within": quantile(0.5, "approvalflow_decision_age_seconds_bucket"),
            "99 % within": quantile(0.99, "approvalflow_decision_age_seconds_bucket"),
        }, steps={1: "red"},
    ),
    Panel(
        "Decided again, or not at all",
        "Pages decided again since another writer was first; commands that had an outcome; records held.", "cps",
        {
            "conflicts": or_zero(rate("approvalflow_decision_conflicts_total")),
            "duplicates": or_zero(rate("approvalflow_decision_duplicates_total")),
            "quarantined": or_zero(rate("approvalflow_decision_quarantined_total")),
        },
    ),
)
AUDIT = (
    Panel("Written", "Events a second, by sink.", "cps", {"{{sink}}": rate("approvalflow_audit_recorded_total", "sink")}),
    Panel(
        "Age when written", "From an event's moment to its being written, for the oldest of each batch; 99 % within.", "s",
        {"{{sink}}": quantile(0.99, "approvalflow_audit_age_seconds_bucket", "sink")}, steps={5: "red"},
    ),
    Panel(
        "Written again, or not at all",
        "Batches linked again since another writer was first; events the store had; records that are no event.", "cps",
        {
            "conflicts": or_zero(rate("approvalflow_audit_conflicts_total")),
            "repeated": or_zero(rate("approvalflow_audit_repeated_total")),
            "quarantined": or_zero(rate("approvalflow_audit_quarantined_total")),
        },
    ),
    Panel(
        "Verified", "How long ago the whole audit log was last looked through, or since the start.", "s",
        {"ago": "min(approvalflow_audit_verified_age_seconds)"},
    ),
    Panel(
        "Broken", "1 if the audit log was not as it was written when it was last looked through.", "short",
        {"broken": "max(approvalflow_audit_chain_broken)"}, steps={1: "red"},
    ),
    Panel(
        "Entries verified", "How many entries were as they were written when it was last looked through.", "short",
        {"entries": "max(approvalflow_audit_verified)"},
    ),
)
RETENTION = (
    Panel(
        "Sweeps", "Sweeps in a day by result: done, unfinished, busy or failed.", "short",
        {"{{result}}": "sum by (result) (increase(approvalflow_retention_sweeps_total[1d]))"},
    ),
    Panel(
        "Removed", "Records a second, by kind.", "cps", {"{{kind}}": or_zero(rate("approvalflow_retention_removed_total", "kind"))},
    ),
    Panel(
        "Given up", "Batches and months in a day that were too slow, could not be locked in time, or had an entry come late.", "short",
        {"{{kind}}": or_zero("sum by (kind) (increase(approvalflow_retention_timeouts_total[1d]))")},
    ),
)
STATE = (
    Panel(
        "Time to read", "From a request to console to its answer, by route; 99 % within.", "s",
        {"{{route}}": quantile(0.99, "approvalflow_console_read_duration_seconds_bucket", "route")},
    ),
    Panel(
        "Sites", "By the licence last told of. Where it is unknown, production refuses every change.", "short",
        {"{{licence}}": "max by (licence) (approvalflow_sites)"},
    ),
    Panel(
        "Stale facts", "The share of what is known of groups and admins that is too old to allow anything.", "percentunit",
        {"{{kind}}": 'sum by (kind) (approvalflow_facts{fresh="no"}) / on (kind) clamp_min(sum by (kind) (approvalflow_facts), 1)'},
    ),
    Panel(
        "Longest in quarantine", "How long the oldest record has been there, by the service that put it there.", "s",
        {"{{service}}": "max by (service) (approvalflow_quarantine_age_seconds)"},
    ),
    Panel(
        "Fallen silent", "Consumers in a day that stopped moving with records waiting; each ended its process.", "short",
        {
            "command": or_zero("sum(increase(approvalflow_command_stalls_total[1d]))"),
            "decision": or_zero("sum(increase(approvalflow_decision_stalls_total[1d]))"),
            "audit-fanout": or_zero("sum(increase(approvalflow_audit_stalls_total[1d]))"),
        },
    ),
    Panel(
        "Refused again and again", "Times in a day that one person was refused with hardly a pause: a script gone wrong, or doors tried.",
        "short", {"times": or_zero("sum(increase(approvalflow_command_repeated_refusals_total[1d]))")},
    ),
)
FLOW = Dashboard(
    "approvalflow-flow", "ApprovalFlow: flow", "What passes through each part of the system, in the order it flows.",
    {
        "Now, from left to right": NOW, "Intake": INTAKE, "Log": LOG, "Decision": DECISION, "Audit": AUDIT, "Retention": RETENTION,
        "State": STATE,
    },
)
