"""Migrations and topics."""

import asyncio
from typing import Annotated

import typer

from services.cli.options import DEFAULT_STATE, Database, Kafka, State, database_address, kafka_address


def migrate(database: Database = None, state: State = DEFAULT_STATE) -> None:
    """Apply the migrations that are missing. The address needs a role that may create others."""
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

    for name in asyncio.run(create_topics(kafka_address(kafka, state)[0], partitions, replication)):
        typer.echo(name)
