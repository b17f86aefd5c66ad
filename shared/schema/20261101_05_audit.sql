-- Owned by audit-fanout: an append-only, hash-linked log of every event, one chain for each partition of events.v1.
-- depends: 20261101_04_approvals

-- migrate: apply
CREATE TABLE audit.entry (
    partition   integer     NOT NULL,
    position    bigint      NOT NULL CHECK (position > 0),
    event_id    uuid        NOT NULL,
    site_id     text        NOT NULL,
    page_id     text,
    space_id    text,
    workflow_id text,
    actor_id    text,
    event_type  text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    body        text        NOT NULL,  -- canonical JSON (RFC 8785)
    hash        bytea       NOT NULL CHECK (length(hash) = 32),
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition, position, occurred_at),
    UNIQUE (event_id, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX entry_time ON audit.entry (site_id, occurred_at, event_id);
CREATE INDEX entry_page ON audit.entry (site_id, page_id, occurred_at, event_id) WHERE page_id IS NOT NULL;
CREATE INDEX entry_space ON audit.entry (site_id, space_id, occurred_at, event_id) WHERE space_id IS NOT NULL;
CREATE INDEX entry_workflow ON audit.entry (site_id, workflow_id, occurred_at, event_id) WHERE workflow_id IS NOT NULL;
CREATE INDEX entry_actor ON audit.entry (site_id, actor_id, occurred_at, event_id) WHERE actor_id IS NOT NULL;

-- The end of each chain; moved only from the position it was read at.
CREATE TABLE audit.head (
    partition integer PRIMARY KEY,
    position  bigint  NOT NULL CHECK (position > 0),
    hash      bytea   NOT NULL CHECK (length(hash) = 32)
);
-- The ends of all chains at one moment, linked to the checkpoint before, so that a chain cut short shows.
CREATE TABLE audit.checkpoint (
    number   bigint PRIMARY KEY CHECK (number > 0),
    body     text   NOT NULL,  -- canonical JSON: when, and position and hash of each head
    hash     bytea  NOT NULL CHECK (length(hash) = 32)
);
-- Runs of neighbouring entries that retention took out of a chain: enough to link what is left.
CREATE TABLE audit.removed (
    partition      integer NOT NULL,
    first_position bigint  NOT NULL,
    last_position  bigint  NOT NULL,
    digest         bytea   NOT NULL CHECK (length(digest) = 32),  -- over the hashes of the entries that were there
    hash           bytea   NOT NULL CHECK (length(hash) = 32),    -- of the last of them
    run_id         uuid    NOT NULL,
    PRIMARY KEY (partition, first_position),
    CHECK (last_position >= first_position)
);
CREATE INDEX removed_run ON audit.removed (run_id);

-- Records of events.v1 that could not be read; looked at again when their key is released.
CREATE TABLE audit.quarantine (
    topic      text    NOT NULL,
    partition  integer NOT NULL,
    log_offset bigint  NOT NULL,
    key        text    NOT NULL,
    value      bytea   NOT NULL,
    headers    jsonb   NOT NULL,  -- pairs of name and base64 value
    reason     text    NOT NULL,
    detail     text    NOT NULL,
    held_at    timestamptz NOT NULL DEFAULT now(),
    released_at timestamptz,  -- kept afterwards: each sink reads what was released for itself
    PRIMARY KEY (topic, partition, log_offset)
);
CREATE INDEX quarantine_key ON audit.quarantine (key);

-- The roles below own no table, so they make and drop months through these two.
CREATE FUNCTION audit.ensure_month(moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first date := date_trunc('month', moment AT TIME ZONE 'UTC')::date;
    name  text := 'entry_' || to_char(first, 'YYYY_MM');
BEGIN
    IF to_regclass('audit.' || name) IS NULL THEN
        PERFORM pg_advisory_xact_lock(7309272);
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS audit.%I PARTITION OF audit.entry FOR VALUES FROM (%L) TO (%L)',
            name, first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month')::timestamp AT TIME ZONE 'UTC'
        );
    END IF;
END $$;
-- Refuses a month that still holds an entry which audit.removed does not account for.
CREATE FUNCTION audit.drop_month(moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first date := date_trunc('month', moment AT TIME ZONE 'UTC')::date;
    name  text := 'entry_' || to_char(first, 'YYYY_MM');
    kept  boolean;
BEGIN
    IF to_regclass('audit.' || name) IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('LOCK TABLE audit.%I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM audit.%I e WHERE e.position > coalesce((SELECT r.last_position FROM audit.removed r'
        ' WHERE r.partition = e.partition AND r.first_position <= e.position ORDER BY r.first_position DESC LIMIT 1), 0))', name
    ) INTO kept;
    IF kept THEN
        RAISE EXCEPTION 'month % holds entries that are not accounted for', to_char(first, 'YYYY-MM');
    END IF;
    EXECUTE format('DROP TABLE audit.%I', name);
END $$;
REVOKE ALL ON FUNCTION audit.ensure_month(timestamptz), audit.drop_month(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.ensure_month(timestamptz) TO approvalflow_audit_fanout;
GRANT EXECUTE ON FUNCTION audit.drop_month(timestamptz) TO approvalflow_retention;

GRANT USAGE ON SCHEMA audit TO approvalflow_audit_fanout, approvalflow_retention, approvalflow_console;
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO approvalflow_audit_fanout, approvalflow_retention, approvalflow_console;
GRANT INSERT ON audit.entry, audit.checkpoint, audit.quarantine TO approvalflow_audit_fanout;
GRANT INSERT, UPDATE ON audit.head TO approvalflow_audit_fanout;
GRANT UPDATE (released_at) ON audit.quarantine TO approvalflow_audit_fanout;
GRANT INSERT, UPDATE (run_id) ON audit.removed TO approvalflow_retention;
GRANT DELETE ON audit.entry TO approvalflow_retention;

-- migrate: rollback
DROP FUNCTION audit.ensure_month(timestamptz), audit.drop_month(timestamptz);
DROP TABLE audit.entry, audit.head, audit.checkpoint, audit.removed, audit.quarantine;
