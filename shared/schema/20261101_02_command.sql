-- Owned by command: idempotency keys, and what a Connect install told us.
-- depends: 20261101_01_roles

-- migrate: apply
CREATE TABLE command.idempotency_key (
    site_id     text        NOT NULL,
    account_id  text        NOT NULL,  -- '' for the app itself
    key         text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_digest bytea       NOT NULL CHECK (length(body_digest) = 32),
    command_id  uuid        NOT NULL UNIQUE,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site_id, account_id, key)
);
CREATE INDEX idempotency_key_age ON command.idempotency_key (accepted_at);

-- The shared secret is kept encrypted; the key to it is in the service's settings.
CREATE TABLE command.connect_tenant (
    client_key       text        PRIMARY KEY,
    site_id          text        NOT NULL,
    encrypted_secret bytea       NOT NULL,
    base_url         text        NOT NULL,
    installed        boolean     NOT NULL,
    updated_at       timestamptz NOT NULL DEFAULT now()
);

GRANT USAGE ON SCHEMA command TO approvalflow_command, approvalflow_retention, approvalflow_console;
GRANT SELECT, INSERT, UPDATE ON command.idempotency_key, command.connect_tenant TO approvalflow_command;
GRANT SELECT, DELETE ON command.idempotency_key TO approvalflow_retention;
GRANT SELECT ON command.connect_tenant TO approvalflow_console;
GRANT SELECT (site_id, account_id, key, command_id, accepted_at) ON command.idempotency_key TO approvalflow_console;

-- migrate: rollback
DROP TABLE command.idempotency_key, command.connect_tenant;
