-- Each role keeps what its service's statements use; people's words are read only by whoever handles them.
-- depends: 20261125_01_verify

-- migrate: apply
-- So that an operator sees how large a record is without reading it.
ALTER TABLE approvals.quarantine ADD COLUMN size integer GENERATED ALWAYS AS (length(value)) VIRTUAL;

REVOKE SELECT ON approvals.comment, approvals.former_approval, approvals.quarantine, approvals.step_approver FROM approvalflow_command;
REVOKE UPDATE ON command.idempotency_key, command.connect_tenant FROM approvalflow_command;
GRANT UPDATE (encrypted_secret, base_url, installed, updated_at) ON command.connect_tenant TO approvalflow_command;

REVOKE DELETE ON ALL TABLES IN SCHEMA approvals FROM approvalflow_decision;
REVOKE DELETE ON directory.member_group, directory.site, directory.space FROM approvalflow_decision;
REVOKE UPDATE ON approvals.comment, approvals.former_approval, approvals.step_approver, approvals.quarantine, directory.group_member
    FROM approvalflow_decision;
REVOKE SELECT ON approvals.comment, approvals.former_approval, approvals.step_approver FROM approvalflow_decision;
GRANT SELECT (command_id) ON approvals.comment TO approvalflow_decision;
GRANT UPDATE (set_aside) ON approvals.quarantine TO approvalflow_decision;
GRANT DELETE ON approvals.quarantine TO approvalflow_decision;

REVOKE ALL ON ALL TABLES IN SCHEMA directory FROM approvalflow_retention;
REVOKE USAGE ON SCHEMA directory FROM approvalflow_retention;
REVOKE ALL ON approvals.assignment, approvals.definition, approvals.quarantine, approvals.step_approver, approvals.workflow
    FROM approvalflow_retention;
REVOKE SELECT ON approvals.comment, command.idempotency_key, audit.checkpoint, audit.quarantine FROM approvalflow_retention;
GRANT SELECT (command_id, site_id, written_at) ON approvals.comment TO approvalflow_retention;
GRANT SELECT (site_id, account_id, key, command_id, accepted_at) ON command.idempotency_key TO approvalflow_retention;
REVOKE UPDATE ON retention.hold, retention.run FROM approvalflow_retention;
GRANT UPDATE (removed, digest, finished_at, recorded_at) ON retention.run TO approvalflow_retention;
REVOKE DELETE ON retention.run FROM approvalflow_retention;

REVOKE SELECT ON approvals.comment, approvals.quarantine, audit.quarantine, retention.hold, retention.policy FROM approvalflow_console;
REVOKE SELECT (account_id, key, accepted_at) ON command.idempotency_key FROM approvalflow_console;
GRANT SELECT (id, topic, partition, log_offset, key, reason, detail, set_aside, held_at, size) ON approvals.quarantine
    TO approvalflow_console;
GRANT SELECT (partition, log_offset, key, reason, detail, held_at, released_at) ON audit.quarantine TO approvalflow_console;

-- migrate: rollback
GRANT SELECT ON ALL TABLES IN SCHEMA approvals TO approvalflow_command, approvalflow_retention, approvalflow_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA approvals TO approvalflow_decision;
REVOKE UPDATE, DELETE ON approvals.outcome, approvals.definition FROM approvalflow_decision;
GRANT DELETE ON approvals.quarantine TO approvalflow_retention;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA directory TO approvalflow_decision;
GRANT USAGE ON SCHEMA directory TO approvalflow_retention;
GRANT SELECT ON ALL TABLES IN SCHEMA directory TO approvalflow_retention;
GRANT SELECT ON audit.checkpoint, audit.quarantine TO approvalflow_retention, approvalflow_console;
GRANT UPDATE, DELETE ON ALL TABLES IN SCHEMA retention TO approvalflow_retention;
GRANT SELECT ON ALL TABLES IN SCHEMA retention TO approvalflow_console;
GRANT UPDATE ON command.idempotency_key, command.connect_tenant TO approvalflow_command;
GRANT SELECT ON command.idempotency_key TO approvalflow_retention;
GRANT SELECT (account_id, key, accepted_at) ON command.idempotency_key TO approvalflow_console;
ALTER TABLE approvals.quarantine DROP COLUMN size;
