-- What a person wrote can be erased, whatever its age.
-- depends: 20261126_02_console

-- migrate: apply
GRANT SELECT (author_id) ON approvals.comment TO approvalflow_retention;

-- migrate: rollback
REVOKE SELECT (author_id) ON approvals.comment FROM approvalflow_retention;
