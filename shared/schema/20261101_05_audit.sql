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
CREATE TABLE audit.entry_default PARTITION OF audit.entry DEFAULT;
CREATE INDEX entry_time ON audit.entry (site_id, occurred_at, event_id);
CREATE INDEX entry_page ON audit.entry (site_id, page_id, occurred_at, event_id) WHERE page_id IS NOT NULL;
CREATE INDEX entry_space ON audit.entry (site_id, space_id, occurred_at, event_id) WHERE space_id IS NOT NULL;
CREATE INDEX entry_workflow ON audit.entry (site_id, workflow_id, occurred_at, event_id) WHERE workflow_id IS NOT NULL;
CREATE INDEX entry_actor ON audit.entry (site_id, actor_id, occurred_at, event_id) WHERE actor_id IS NOT NULL;

-- The end of each chain; moved only from the position it was read at.
CREATE TABLE audit.head (
    partition integer PRIMARY KEY,
    position  bigint  NOT NULL,
    hash      bytea   NOT NULL
);
-- What retention took out of a chain: enough to link what is left.
CREATE TABLE audit.removed (
    partition integer NOT NULL,
    position  bigint  NOT NULL,
    digest    bytea   NOT NULL CHECK (length(digest) = 32),  -- of the body that was there
    hash      bytea   NOT NULL CHECK (length(hash) = 32),
    run_id    uuid    NOT NULL,
    PRIMARY KEY (partition, position)
);

GRANT USAGE ON SCHEMA audit TO approvalflow_audit_fanout, approvalflow_retention, approvalflow_console;
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO approvalflow_audit_fanout, approvalflow_retention, approvalflow_console;
GRANT INSERT ON audit.entry TO approvalflow_audit_fanout;
GRANT INSERT, UPDATE ON audit.head TO approvalflow_audit_fanout;
GRANT INSERT ON audit.removed TO approvalflow_retention;
GRANT DELETE ON audit.entry TO approvalflow_retention;

-- migrate: rollback
DROP TABLE audit.entry, audit.head, audit.removed;
