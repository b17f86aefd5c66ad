"""What waits in quarantine: look at it, and let it go."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cli.options import DEFAULT_STATE, Database, Kafka, State, database_address, kafka_address

if TYPE_CHECKING:
    from services.local.quarantine import Released, Waiting

quarantine = typer.Typer(help="Records that could not be handled, and later ones of the same key.", no_args_is_help=True)
Key = Annotated[str, typer.Argument(help="The records' key, such as site:page.")]
Aside = Annotated[bool, typer.Option("--set-aside", help="Let what can never be read hold nobody up; it stays kept.")]
AllToo = Annotated[bool, typer.Option("--all", help="Also what was set aside.")]


@quarantine.command("list")
def list_(database: Database = None, everything: AllToo = False, state: State = DEFAULT_STATE) -> None:
    """How many wait under each key, since when, and why the first does."""
    found = asyncio.run(_waiting(database_address(database, state, "console"), None, everything))
    table = Table("key", "waiting", "since", "reason", "detail")
    for key in dict.fromkeys(w.key for w in found):
        mine = [w for w in found if w.key == key]
        table.add_row(key, str(len(mine)), f"{mine[0].held_at:%F %T}", mine[0].reason, mine[0].detail)
    Console().print(table)


@quarantine.command()
def show(key: Key, database: Database = None, everything: AllToo = False, state: State = DEFAULT_STATE) -> None:
    """Each record that waits under a key; never what it says."""
    found = asyncio.run(_waiting(database_address(database, state, "console"), key, everything))
    if not found:
        typer.echo(f"nothing waits under {key}", err=True)
        raise typer.Exit(1)
    for w in found:
        aside = " (set aside)" if w.set_aside else ""
        typer.echo(f"{w.topic}[{w.partition}]@{w.log_offset} {w.held_at:%F %T} {w.size} bytes{aside}: {w.reason}, {w.detail}")


@quarantine.command()
def release(
    key: Key, set_aside: Aside = False, database: Database = None, kafka: Kafka = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long to wait for the outcome.")] = 30,
    state: State = DEFAULT_STATE,
) -> None:
    """Have them handled again, in order. Ends with 1 if some still wait."""
    servers, idempotent = kafka_address(kafka, state)
    address = database_address(database, state, "console")
    done = asyncio.run(_release(address, servers, key, idempotent=idempotent, set_aside=set_aside, seconds=seconds))
    if done.reason is not None:
        typer.echo(f"refused: {done.reason}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{done.released} released, {done.remaining} still waiting (command {done.command_id})")
    raise typer.Exit(1 if done.remaining else 0)


async def _waiting(address: str, key: str | None, everything: bool) -> "list[Waiting]":
    from services.local import quarantine as held
    from shared.postgres import connect_across_sites

    db = await connect_across_sites(address)
    try:
        return await held.waiting(db, key, aside=everything)
    finally:
        await db.close()


async def _release(
    address: str, servers: str, key: str, *, idempotent: bool, set_aside: bool, seconds: float,
) -> "Released":
    from services.local import quarantine as held
    from shared.postgres import connect_across_sites
    from shared.settings import ServiceSettings

    settings = ServiceSettings(kafka=servers, kafka_idempotent=idempotent)
    db = await connect_across_sites(address)
    try:
        return await held.release(db, settings, key, set_aside=set_aside, seconds=seconds)
    finally:
        await db.close()
