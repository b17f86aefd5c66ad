-- Who answers people sees one site at a time: the one named in the setting approvalflow.site, and without it nothing.
-- depends: 20261126_02_console
-- transaction: false

-- migrate: apply
-- Reads across sites, for operators: the console takes this role on for such a read and has none of its rights otherwise.
-- decision writes outcomes with COPY, which row security knows only how to refuse; it may see every site anyway.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'approvalflow_operator') THEN
        CREATE ROLE approvalflow_operator NOLOGIN;
    END IF;
    IF NOT pg_has_role('approvalflow_console', 'approvalflow_operator', 'SET') THEN
        GRANT approvalflow_operator TO approvalflow_console WITH INHERIT FALSE, SET TRUE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'approvalflow_decision' AND rolbypassrls) THEN
        ALTER ROLE approvalflow_decision BYPASSRLS;
    END IF;
END $$;
GRANT USAGE ON SCHEMA directory, approvals, audit, retention TO approvalflow_operator;
GRANT SELECT ON directory.member_group, directory.site, directory.space, approvals.page, approvals.outcome TO approvalflow_operator;
GRANT SELECT (id, topic, partition, log_offset, key, reason, detail, set_aside, held_at, size) ON approvals.quarantine
    TO approvalflow_operator;
GRANT SELECT (partition, log_offset, key, reason, detail, held_at, released_at) ON audit.quarantine TO approvalflow_operator;
GRANT SELECT ON audit.checkpoint, audit.entry, audit.head, audit.removed, retention.run TO approvalflow_operator;

-- One table after another, each for itself, so that nobody who holds one and waits for the next is waited for. A partition
-- is read through its table only, whose policies then hold. Tables without a site are left alone: nobody who answers people may
-- read them, but for operators (audit.head, audit.removed, audit.checkpoint and both quarantines).
DO $$
DECLARE
    name text;
    roles text;
BEGIN
    FOR name IN
        SELECT format('%I.%I', n.nspname, c.relname)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE n.nspname IN ('command', 'directory', 'approvals', 'audit', 'retention') AND c.relkind IN ('r', 'p')
           AND NOT c.relispartition AND a.attname = 'site_id' AND NOT c.relrowsecurity
    LOOP
        roles := 'approvalflow_audit_fanout, approvalflow_retention, approvalflow_operator' || CASE name
            WHEN 'command.connect_tenant' THEN ', approvalflow_command, approvalflow_console'  -- tells which site a token is of
            WHEN 'command.idempotency_key' THEN ', approvalflow_command'  -- keys of several sites are claimed together
            ELSE ''
        END;
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY every_site ON %s TO %s USING (true)', name, roles);
        EXECUTE format(
            'CREATE POLICY own_site ON %s TO approvalflow_command, approvalflow_console'
            ' USING (site_id = current_setting(''approvalflow.site'', true))', name
        );
        COMMIT;
    END LOOP;
END $$;
REVOKE SELECT (id, topic, partition, log_offset, key, reason, detail, set_aside, held_at, size) ON approvals.quarantine
    FROM approvalflow_console;
REVOKE SELECT (partition, log_offset, key, reason, detail, held_at, released_at) ON audit.quarantine FROM approvalflow_console;
REVOKE SELECT ON audit.checkpoint, audit.head, audit.removed, retention.run FROM approvalflow_console;
REVOKE USAGE ON SCHEMA retention FROM approvalflow_console;

-- migrate: rollback
DO $$
DECLARE name text;
BEGIN
    FOR name IN
        SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('command', 'directory', 'approvals', 'audit', 'retention') AND c.relrowsecurity
    LOOP
        EXECUTE format('DROP POLICY own_site ON %s', name);
        EXECUTE format('DROP POLICY every_site ON %s', name);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', name);
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA retention TO approvalflow_console;
GRANT SELECT ON audit.checkpoint, audit.head, audit.removed, retention.run TO approvalflow_console;
GRANT SELECT (id, topic, partition, log_offset, key, reason, detail, set_aside, held_at, size) ON approvals.quarantine
    TO approvalflow_console;
GRANT SELECT (partition, log_offset, key, reason, detail, held_at, released_at) ON audit.quarantine TO approvalflow_console;
REVOKE ALL ON ALL TABLES IN SCHEMA directory, approvals, audit, retention FROM approvalflow_operator;
REVOKE USAGE ON SCHEMA directory, approvals, audit, retention FROM approvalflow_operator;
ALTER ROLE approvalflow_decision NOBYPASSRLS;
