"""The audit log: proved, and taken away."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import Progress

from services.cli.options import DEFAULT_STATE, Database, State, database_address

if TYPE_CHECKING:
    from services.audit_fanout.verify import Verdict

audit = typer.Typer(help="The audit log: verify it, export it.", no_args_is_help=True)
Moment = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")]


@audit.command()
def verify(database: Database = None, state: State = DEFAULT_STATE) -> None:
    """Recompute every entry. Ends with 1 at the first that is not as it was written, and names it."""
    verdict = asyncio.run(_verify(database_address(database, state, "console")))
    if verdict.wrong is not None:
        typer.echo(f"WRONG after {verdict.verified} good entries: {verdict.wrong}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{verdict.verified} entries verified")


@audit.command()
def export(
    site: Annotated[str, typer.Argument(help="The site.")],
    page: Annotated[str | None, typer.Option(help="Only this page's entries.")] = None,
    since: Moment = None,
    until: Moment = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else standard output.")] = None,
    database: Database = None,
    state: State = DEFAULT_STATE,
) -> None:
    """A site's entries as NDJSON, oldest first, each with its place in the chain and its hash."""
    span = (_utc(since) or datetime.min.replace(tzinfo=UTC), _utc(until) or datetime.max.replace(tzinfo=UTC))
    address = database_address(database, state, "console")
    with output.open("wb") if output is not None else sys.stdout.buffer as file:
        count = asyncio.run(_export(address, site, page, span, file))
    typer.echo(f"{count} entries", err=True)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


async def _verify(address: str) -> "Verdict":
    import asyncpg

    from services.audit_fanout.store import proof
    from services.audit_fanout.verify import verify

    db = await asyncpg.connect(address)
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("verifying", total=await proof.count(db))
            return await verify(db, lambda done: progress.update(task, completed=done))
    finally:
        await db.close()


async def _export(address: str, site: str, page: str | None, span: tuple[datetime, datetime], file: BinaryIO) -> int:
    import asyncpg
    import orjson

    from services.audit_fanout.store import proof

    db, count = await asyncpg.connect(address), 0
    try:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            async for one in proof.of_site(db, site, *span, page):
                place = {"partition": one.partition, "position": one.position, "hash": one.hash.hex()}
                file.write(orjson.dumps(place | {"entry": orjson.loads(one.entry.body)}) + b"\n")
                count += 1
    finally:
        await db.close()
    return count
