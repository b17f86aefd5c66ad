"""Migrations, topics, and who may do what on the log."""

import asyncio
from typing import Annotated

import typer

from services.cli.options import DEFAULT_STATE, Database, Kafka, State, database_address, kafka_address


def migrate(database: Database = None, state: State = DEFAULT_STATE) -> None:
    """Apply the migrations that are missing. The address needs a role that may create others.

    The services' roles (approvalflow_command, _decision, _audit_fanout, _retention, _console) begin without a password. Give each
    one its own with psql's \\password, which sends the server a SCRAM verifier and never the password, and let pg_hba.conf have
    nothing but `hostssl … scram-sha-256`. An address that ends in `?sslmode=verify-full&sslrootcert=…` speaks to that server only.
    """
    from shared import postgres

    count = asyncio.run(postgres.migrate(database_address(database, state, "postgres")))
    typer.echo(f"{count} migrations are applied")


def topics(
    kafka: Kafka = None,
    partitions: Annotated[int, typer.Option(min=1, max=1024, envvar="APPROVALFLOW_PARTITIONS")] = 8,
    replication: Annotated[int, typer.Option(min=1, help="Copies of each partition.")] = 1,
    state: State = DEFAULT_STATE,
) -> None:
    """Create the topics that are missing; those that exist are left as they are."""
    from shared.kafka import create_topics
    from shared.settings import ServiceSettings

    for name in asyncio.run(create_topics(ServiceSettings(kafka=kafka_address(kafka, state)[0]), partitions, replication)):
        typer.echo(name)


def acls(
    principal: Annotated[str, typer.Option(help="What the broker calls a service, {} being its name.")] = "User:{}",
) -> None:
    """Say what each service may do on the log: a line for each right, of options for Kafka's kafka-acls.sh."""
    from shared.contracts.topics import acls

    for one in acls():
        who = principal.format(one.service)
        typer.echo(f"--add --allow-principal {who} --operation {one.operation} --{one.resource} {one.name}")
