-- The console shows what was written on an approval to those who take part in it.
-- depends: 20261126_01_grants

-- migrate: apply
GRANT SELECT (command_id, site_id, body) ON approvals.comment TO approvalflow_console;

-- migrate: rollback
REVOKE SELECT (command_id, site_id, body) ON approvals.comment FROM approvalflow_console;
