"""The audit log: proved, and taken away."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from services.cli.ending import stoppable, until_told
from services.cli.options import DEFAULT_STATE, Database, State, database_address
from services.cli.progress import AsJson, emit, shown

if TYPE_CHECKING:
    from services.audit_fanout.verify import Verdict

audit = typer.Typer(help="The audit log: verify it, export it.", no_args_is_help=True)
Moment = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")]


@audit.command()
def verify(as_json: AsJson = False, database: Database = None, state: State = DEFAULT_STATE) -> None:
    """Recompute every entry, and name the first that is not as it was written.

    Ends with 0 if there is none; with 1 if there is one, or the database does not answer; with 2 if it is called wrongly;
    with 130 if it was told to stop.
    """
    with stoppable():
        verdict = asyncio.run(until_told(_verify(database_address(database, state, "console"))))
    if as_json:
        emit(verdict)
    elif verdict.wrong is None:
        typer.echo(f"{verdict.verified} entries verified")
    else:
        typer.echo(f"WRONG after {verdict.verified} good entries: {verdict.wrong}", err=True)
    raise typer.Exit(0 if verdict.wrong is None else 1)


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
        with shown() as work:
            step = work.step("verifying", await proof.count(db), "entries")
            return await verify(db, step.at)
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
