"""Options that several commands share, and where their answers come from.

An address is taken from the option, else from the environment, else from the system that ``up`` is running.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict

State = Annotated[Path, typer.Option("--state", help="Directory that holds all data.", envvar="APPROVALFLOW_STATE")]
Database = Annotated[
    str | None, typer.Option("--database", envvar="APPROVALFLOW_DATABASE", help="Address, with the role to act as."),
]
Kafka = Annotated[str | None, typer.Option("--kafka", envvar="APPROVALFLOW_KAFKA", help="Bootstrap servers.")]
DEFAULT_STATE = Path(".local")
_FILE = "addresses.json"


class Addresses(BaseModel):
    """Where a running system is; written by ``up`` and removed when it stops."""

    model_config = ConfigDict(frozen=True)

    kafka: str
    kafka_idempotent: bool
    databases: dict[str, str]
    """By role; ``postgres`` is the superuser."""
    services: dict[str, str]
    provider: str
    """Where people sign in."""

    def save(self, state: Path) -> None:
        """Let other commands find it."""
        (state / _FILE).write_text(self.model_dump_json())

    @staticmethod
    def forget(state: Path) -> None:
        """It is gone."""
        (state / _FILE).unlink(missing_ok=True)

    @classmethod
    def load(cls, state: Path) -> "Addresses | None":
        """The system running over this directory, if one is."""
        path = state / _FILE
        return cls.model_validate(json.loads(path.read_text())) if path.exists() else None


def database_address(given: str | None, state: Path, role: str) -> str:
    """The database, as ``role``.

    :raises typer.BadParameter: nobody said where it is.
    """
    running = Addresses.load(state)
    if given:
        return given
    if running is None:
        raise typer.BadParameter("give --database, or start the system with `up`")
    return running.databases[role]


def kafka_address(given: str | None, state: Path) -> tuple[str, bool]:
    """The broker, and whether it knows idempotent producers.

    :raises typer.BadParameter: nobody said where it is.
    """
    running = Addresses.load(state)
    if given:
        return given, running is None or running.kafka_idempotent
    if running is None:
        raise typer.BadParameter("give --kafka, or start the system with `up`")
    return running.kafka, running.kafka_idempotent
