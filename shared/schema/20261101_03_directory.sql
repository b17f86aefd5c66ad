-- Owned by decision: what the upstream app told us of people and spaces, each with the time it was read.
-- depends: 20261101_02_command

-- migrate: apply
CREATE TABLE directory.space (
    site_id        text NOT NULL,
    space_id       text NOT NULL,
    removed_at     timestamptz,
    admins         text[] NOT NULL DEFAULT '{}',
    admins_read_at timestamptz,
    PRIMARY KEY (site_id, space_id)
);
CREATE TABLE directory.member_group (
    site_id  text NOT NULL,
    group_id text NOT NULL,
    read_at  timestamptz NOT NULL,
    PRIMARY KEY (site_id, group_id)
);
CREATE TABLE directory.group_member (
    site_id    text NOT NULL,
    group_id   text NOT NULL,
    account_id text NOT NULL,
    PRIMARY KEY (site_id, group_id, account_id),
    FOREIGN KEY (site_id, group_id) REFERENCES directory.member_group ON DELETE CASCADE
);
CREATE INDEX group_member_account ON directory.group_member (site_id, account_id);
CREATE TABLE directory.site (
    site_id         text PRIMARY KEY,
    licence_active  boolean,
    licence_read_at timestamptz,
    installed       boolean NOT NULL DEFAULT true,
    installed_at    timestamptz
);

GRANT USAGE ON SCHEMA directory TO approvalflow_command, approvalflow_decision, approvalflow_retention, approvalflow_console;
GRANT SELECT ON ALL TABLES IN SCHEMA directory TO approvalflow_command, approvalflow_retention, approvalflow_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA directory TO approvalflow_decision;

-- migrate: rollback
DROP TABLE directory.space, directory.group_member, directory.member_group, directory.site;
