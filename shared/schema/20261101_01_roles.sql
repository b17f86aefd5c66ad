-- One role for each service, with only the grants it needs. Logins and passwords are given by whoever deploys.
-- depends:

-- migrate: apply
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['command', 'decision', 'audit_fanout', 'retention', 'console'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'approvalflow_' || name) THEN
            EXECUTE format('CREATE ROLE approvalflow_%s LOGIN', name);
        END IF;
    END LOOP;
END $$;
CREATE SCHEMA command;
CREATE SCHEMA directory;
CREATE SCHEMA approvals;
CREATE SCHEMA audit;
CREATE SCHEMA retention;

-- migrate: rollback
DROP SCHEMA command, directory, approvals, audit, retention CASCADE;
