"""The audit log: proved, and taken away."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NoReturn

import typer

from services.cli.ending import stoppable, until_told
from services.cli.options import DEFAULT_STATE, Database, Kafka, State, database_address, kafka_address
from services.cli.progress import AsJson, emit, shown

if TYPE_CHECKING:
    from services.audit_fanout.rebuild import Rebuilt
    from services.audit_fanout.settings import Settings
    from services.audit_fanout.verify import Verdict

audit = typer.Typer(help="The audit log: verify it, export it, rebuild it.", no_args_is_help=True)
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
        raise typer.Exit(0 if verdict.wrong is None else 1)
    _tell(verdict)


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


@audit.command()
def rebuild(
    archive: Annotated[str, typer.Option(envvar="APPROVALFLOW_ARCHIVE_URL", help="Where segments are, as file:///archive.")] = "",
    as_json: AsJson = False, database: Database = None, kafka: Kafka = None, state: State = DEFAULT_STATE,
) -> None:
    """Add the entries that the store lacks, from the archive and from the log, then verify all of it.

    No `audit-fanout` process may run. Into a store that was emptied it brings everything, with the same hashes as before.

    Ends with 0 if every entry is as it was written; with 1 if one is not, if neither the archive nor the log has what is
    missing, or if a file of the archive is not what was written; with 2 if it is called wrongly; with 130 if it was told to stop.
    """
    from pydantic import SecretStr

    from services.audit_fanout.settings import Settings

    servers, _ = kafka_address(kafka, state)
    address = database_address(database, state, "audit_fanout")
    settings = Settings(kafka=servers, database=SecretStr(address), archive_url=archive)
    with stoppable():
        rebuilt = asyncio.run(until_told(_rebuild(settings)))
    if as_json:
        emit(rebuilt)
        raise typer.Exit(0 if rebuilt.verdict.wrong is None else 1)
    typer.echo(f"{rebuilt.added} entries and {rebuilt.checkpoints} checkpoints were missing")
    _tell(rebuilt.verdict)


async def _rebuild(settings: "Settings") -> "Rebuilt":
    from services.audit_fanout.archived import Damaged
    from services.audit_fanout.rebuild import rebuild
    from shared.lookback import LogTooShort

    with shown() as work:
        step = work.step("rebuilding", 0, "partitions")
        try:
            return await rebuild(settings, step.of)
        except (Damaged, LogTooShort) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None


def _tell(verdict: "Verdict") -> NoReturn:
    """What was found, and so how the command ends."""
    if verdict.wrong is None:
        typer.echo(f"{verdict.verified} entries verified")
    else:
        typer.echo(f"WRONG after {verdict.verified} good entries: {verdict.wrong}", err=True)
    raise typer.Exit(0 if verdict.wrong is None else 1)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


async def _verify(address: str) -> "Verdict":
    from services.audit_fanout.store import proof
    from services.audit_fanout.verify import verify
    from shared.postgres import connect_across_sites

    db = await connect_across_sites(address)
    try:
        with shown() as work:
            step = work.step("verifying", await proof.count(db), "entries")
            return await verify(db, step.at)
    finally:
        await db.close()


async def _export(address: str, site: str, page: str | None, span: tuple[datetime, datetime], file: BinaryIO) -> int:
    import orjson

    from services.audit_fanout.store import proof
    from shared.postgres import connect_across_sites

    db, count = await connect_across_sites(address), 0
    try:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            async for one in proof.of_site(db, site, *span, page):
                place = {"partition": one.partition, "position": one.position, "hash": one.hash.hex()}
                file.write(orjson.dumps(place | {"entry": orjson.loads(one.entry.body)}) + b"\n")
                count += 1
    finally:
        await db.close()
    return count
