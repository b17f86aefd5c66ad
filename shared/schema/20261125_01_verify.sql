-- audit-fanout verifies its own log, and so needs to know which retention runs are not in it yet.
-- depends: 20261101_06_retention

-- migrate: apply
GRANT USAGE ON SCHEMA retention TO approvalflow_audit_fanout;
GRANT SELECT (run_id, kind, recorded_at) ON retention.run TO approvalflow_audit_fanout;

-- migrate: rollback
REVOKE SELECT (run_id, kind, recorded_at) ON retention.run FROM approvalflow_audit_fanout;
REVOKE USAGE ON SCHEMA retention FROM approvalflow_audit_fanout;
