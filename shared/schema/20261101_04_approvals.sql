-- Owned by decision: the only writer of approval state.
-- depends: 20261101_03_directory

-- migrate: apply
CREATE TABLE approvals.workflow (
    site_id          text    NOT NULL,
    workflow_id      text    NOT NULL,
    version          integer NOT NULL CHECK (version > 0),           -- one for each applied command
    workflow_version integer NOT NULL CHECK (workflow_version > 0),  -- one for each definition
    space_id         text    NOT NULL,
    archived         boolean NOT NULL DEFAULT false,
    owners           text[]  NOT NULL,
    owners_read_at   timestamptz,
    PRIMARY KEY (site_id, workflow_id)
);
-- Never changed once written: this is the frozen copy that approvals hold on to.
CREATE TABLE approvals.definition (
    site_id          text    NOT NULL,
    workflow_id      text    NOT NULL,
    workflow_version integer NOT NULL,
    body             json    NOT NULL,
    PRIMARY KEY (site_id, workflow_id, workflow_version)
);
-- Who is named where, so that "what waits for me" is an index lookup.
CREATE TABLE approvals.step_approver (
    site_id          text     NOT NULL,
    workflow_id      text     NOT NULL,
    workflow_version integer  NOT NULL,
    step             smallint NOT NULL,
    kind             text     NOT NULL CHECK (kind IN ('account', 'group')),
    approver_id      text     NOT NULL,
    PRIMARY KEY (site_id, kind, approver_id, workflow_id, workflow_version, step)
);
CREATE TABLE approvals.assignment (
    site_id     text NOT NULL,
    scope       text NOT NULL CHECK (scope IN ('page', 'space')),
    scope_id    text NOT NULL,
    workflow_id text NOT NULL,
    PRIMARY KEY (site_id, scope, scope_id)
);
CREATE INDEX assignment_workflow ON approvals.assignment (site_id, workflow_id, scope, scope_id);

-- A page as last heard of, and its current approval (run is null before the first). One row is read and written
-- for each decision, so it is narrow and leaves room for an in-place update of every row on its page.
CREATE TABLE approvals.page (
    site_id          text     NOT NULL,
    page_id          text     NOT NULL,
    version          integer  NOT NULL CHECK (version >= 0),
    page_version     integer,
    space_id         text,
    state            text     NOT NULL DEFAULT 'current' CHECK (state IN ('current', 'archived', 'trashed', 'removed')),
    state_at         timestamptz,
    edited_at        timestamptz,
    space_at         timestamptz,  -- since when, by Confluence's clock, it is in its space
    author_id        text,
    editor_id        text,
    run              integer  CHECK (run > 0),
    workflow_id      text,
    workflow_version integer,
    approved_version integer,  -- the page version the current approval is about
    status           text     CHECK (status IN ('open', 'approved', 'rejected', 'cancelled')),
    step             smallint,
    round            integer,
    approvals        integer  CHECK (approvals >= 0),  -- people who have approved on the active step
    seats            bytea,                            -- bit i: approver i of the active step has spoken
    submitted_at     timestamptz,
    PRIMARY KEY (site_id, page_id),
    -- An approval is whole or absent.
    CHECK (num_nulls(run, workflow_id, workflow_version, approved_version, status, step, round, approvals, seats, submitted_at) IN (0, 10))
) WITH (fillfactor = 50);
-- Without the step, so that moving on to the next one is an update in place.
CREATE INDEX page_open ON approvals.page (site_id, workflow_id, workflow_version) WHERE status = 'open';
CREATE INDEX page_open_space ON approvals.page (site_id, space_id, page_id) WHERE status = 'open';
-- One page on its way from a writer: the version it read, and the row as it is to be. A type of its own, since the table
-- may gain columns while a writer that does not know them still runs.
CREATE TYPE approvals.page_write AS (
    read integer, site_id text, page_id text, version integer, page_version integer, space_id text, state text,
    state_at timestamptz, edited_at timestamptz, author_id text, editor_id text, space_at timestamptz, run integer, workflow_id text,
    workflow_version integer, approved_version integer, status text, step smallint, round integer, approvals integer,
    seats bytea, submitted_at timestamptz
);

-- Approvals that a later one on the same page replaced, as they ended.
CREATE TABLE approvals.former_approval (
    site_id          text     NOT NULL,
    page_id          text     NOT NULL,
    run              integer  NOT NULL,
    workflow_id      text     NOT NULL,
    workflow_version integer  NOT NULL,
    approved_version integer  NOT NULL,
    status           text     NOT NULL CHECK (status IN ('approved', 'rejected', 'cancelled')),
    step             smallint NOT NULL,
    round            integer  NOT NULL,
    submitted_at     timestamptz NOT NULL,
    replaced_at      timestamptz NOT NULL,
    PRIMARY KEY (site_id, page_id, run)
);

-- The one outcome of each command, for ever as far as the log reaches, and in the same row the vote it cast.
CREATE TABLE approvals.outcome (
    command_id  uuid     PRIMARY KEY,
    site_id     text     NOT NULL,
    key         text     NOT NULL,  -- of the record that asked
    reason      text,               -- null: applied
    version     integer  NOT NULL,
    event_type  text     NOT NULL,
    event       json     NOT NULL,  -- exactly the bytes that were published
    follow_ups  json,               -- commands this one gave rise to, or null
    page_id     text,
    run         integer,
    round       integer,
    step        smallint,
    voter_id    text,
    verdict     text CHECK (verdict IN ('approve', 'reject')),
    decided_at  timestamptz NOT NULL,
    -- A vote is whole or absent, and a refusal casts none.
    CHECK (num_nulls(round, step, voter_id, verdict) IN (0, 4)),
    CHECK (voter_id IS NULL OR (reason IS NULL AND page_id IS NOT NULL AND run IS NOT NULL))
);
-- This prevents one person's voice from counting twice on a step.
CREATE UNIQUE INDEX outcome_one_vote ON approvals.outcome (site_id, page_id, run, round, step, voter_id) WHERE voter_id IS NOT NULL;
-- This prevents two writers from both succeeding from one version of a page or workflow (ids of the two may be alike).
CREATE UNIQUE INDEX outcome_one_version
    ON approvals.outcome (site_id, key, version, (event_type = 'approvalflow.event.workflow-event.v1'))
 WHERE reason IS NULL AND version > 0;
-- Costs next to nothing to keep up, and lets retention find old rows, which lie together.
CREATE INDEX outcome_age ON approvals.outcome USING brin (decided_at);

-- People's words, apart from everything that is kept for proof; erasing a person deletes the row, salt and all.
CREATE TABLE approvals.comment (
    command_id uuid PRIMARY KEY,
    site_id    text NOT NULL,
    author_id  text NOT NULL,
    salt       text NOT NULL,
    body       text NOT NULL CHECK (length(body) <= 2000),
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX comment_age ON approvals.comment (site_id, written_at);

-- Records that could not be handled, and later ones of the same key behind them.
CREATE TABLE approvals.quarantine (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic       text   NOT NULL,
    partition   integer NOT NULL,
    log_offset  bigint NOT NULL,
    key         text   NOT NULL,
    value       bytea  NOT NULL,
    headers     jsonb  NOT NULL,  -- pairs of name and base64 value
    reason      text   NOT NULL,
    detail      text   NOT NULL,
    set_aside   boolean NOT NULL DEFAULT false,
    held_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, partition, log_offset)
);
CREATE INDEX quarantine_waiting ON approvals.quarantine (key, id) WHERE NOT set_aside;

GRANT USAGE ON SCHEMA approvals TO approvalflow_command, approvalflow_decision, approvalflow_retention, approvalflow_console;
GRANT SELECT ON ALL TABLES IN SCHEMA approvals TO approvalflow_command, approvalflow_retention, approvalflow_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA approvals TO approvalflow_decision;
GRANT DELETE ON approvals.former_approval, approvals.outcome, approvals.comment, approvals.quarantine TO approvalflow_retention;
REVOKE UPDATE, DELETE ON approvals.outcome, approvals.definition FROM approvalflow_decision;

-- migrate: rollback
DROP TABLE approvals.quarantine, approvals.comment, approvals.outcome, approvals.former_approval, approvals.page,
    approvals.assignment, approvals.step_approver, approvals.definition, approvals.workflow;
DROP TYPE approvals.page_write;
