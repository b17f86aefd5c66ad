-- Owned by retention: policies, holds, and how far each run came.
-- depends: 20261101_05_audit

-- migrate: apply
CREATE TABLE retention.policy (
    site_id   text    NOT NULL,
    kind      text    NOT NULL CHECK (kind IN ('approvals', 'comments', 'outcomes', 'audit', 'idempotency_keys')),
    keep_days integer NOT NULL CHECK (keep_days > 0),
    PRIMARY KEY (site_id, kind),
    -- A record that the log may still bring again must find what it led to: intake.v1 keeps 7 days, events.v1 30.
    CHECK (kind NOT IN ('outcomes', 'idempotency_keys') OR keep_days > 7),
    CHECK (kind <> 'audit' OR keep_days > 30)
);
CREATE TABLE retention.hold (
    site_id   text NOT NULL,
    page_id   text NOT NULL DEFAULT '',  -- '' holds the whole site
    reason    text NOT NULL,
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site_id, page_id)
);
CREATE TABLE retention.run (
    run_id      uuid PRIMARY KEY,
    site_id     text NOT NULL,
    kind        text NOT NULL,
    before      timestamptz NOT NULL,
    removed     bigint NOT NULL DEFAULT 0,
    digest      bytea NOT NULL DEFAULT '\x',
    finished_at timestamptz,
    recorded_at timestamptz,  -- when the log acknowledged the record of it
    started_at  timestamptz NOT NULL DEFAULT now()
);
-- This prevents two runs over the same rows at once.
CREATE UNIQUE INDEX run_unfinished ON retention.run (site_id, kind) WHERE recorded_at IS NULL;

GRANT USAGE ON SCHEMA retention TO approvalflow_retention, approvalflow_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA retention TO approvalflow_retention;
GRANT SELECT ON ALL TABLES IN SCHEMA retention TO approvalflow_console;

-- migrate: rollback
DROP TABLE retention.policy, retention.hold, retention.run;
