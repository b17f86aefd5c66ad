"""After the database was restored to an earlier moment."""

import asyncio
from typing import TYPE_CHECKING

import typer

from services.cli.ending import stoppable, until_told
from services.cli.options import DEFAULT_STATE, Database, Kafka, State, database_address, kafka_address
from services.cli.progress import AsJson, Work, emit, shown

if TYPE_CHECKING:
    from services.decision.replay import Replayed
    from services.decision.settings import Settings


def replay(as_json: AsJson = False, database: Database = None, kafka: Kafka = None, state: State = DEFAULT_STATE) -> None:
    """Decide again what a restored database has lost, as it was told, and set `decision` back to where the database ends.

    No `decision` process may run. What nobody was told of yet is left to it. May be run again after an interruption.

    Ends with 0 if every command came out as it was told; with 1 if one did not (it is named, and left to `decision` with
    those after it of its key), if a `decision` process runs, or if the log no longer reaches back to where the database
    ends; with 2 if it is called wrongly; with 130 if it was told to stop.
    """
    from pydantic import SecretStr

    from services.decision.settings import Settings

    servers, _ = kafka_address(kafka, state)
    address = database_address(database, state, "decision")
    settings = Settings(kafka=servers, database=SecretStr(address))
    with stoppable(), shown() as work:
        done = asyncio.run(until_told(_replay(settings, work)))
    if as_json:
        emit(done)
    else:
        typer.echo(f"{done.outcomes} outcomes are there again")
        for one in done.differing:
            typer.echo(f"comes out otherwise: {one}", err=True)
    raise typer.Exit(1 if done.differing else 0)


async def _replay(settings: "Settings", work: Work) -> "Replayed":
    from aiokafka.errors import CommitFailedError

    from services.decision.replay import replay
    from shared.lookback import LogTooShort

    step = work.step("replaying", 0, "commands")
    try:
        return await replay(settings, step.of)
    except CommitFailedError:
        typer.echo("stop every decision process first", err=True)
    except LogTooShort as short:
        typer.echo(str(short), err=True)
    raise typer.Exit(1)
