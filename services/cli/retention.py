"""What retention would remove, doing it now, and the rules it goes by."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from services.cli.ending import stoppable, until_told
from services.cli.options import DEFAULT_STATE, Database, Kafka, State, database_address, kafka_address
from services.cli.progress import AsJson, emit, shown
from services.retention.domain import Kind, Planned, Policy, Run

if TYPE_CHECKING:
    import asyncpg

    from services.retention.settings import Settings
    from services.retention.sweep import Swept

retention = typer.Typer(help="What may go, and what must stay.", no_args_is_help=True)
policy = typer.Typer(help="How long a site's records are kept; without a policy, for good.", no_args_is_help=True)
hold = typer.Typer(help="Legal holds, which beat every policy.", no_args_is_help=True)
retention.add_typer(policy, name="policy")
retention.add_typer(hold, name="hold")

T = TypeVar("T")
Site = Annotated[str, typer.Argument(help="The site.")]
OfKind = Annotated[Kind, typer.Argument(help="Which of its records.")]
Page = Annotated[str, typer.Option(help="One page; without it, the whole site.")]
At = Annotated[datetime | None, typer.Option(help="The plan as it will be then, in UTC; now, if not given.")]


@retention.command()
def plan(
    at: At = None, as_json: Annotated[bool, typer.Option("--json", help="As a JSON array, for a program.")] = False,
    database: Database = None, state: State = DEFAULT_STATE,
) -> None:
    """What would go and what is held, of each site and kind that has a policy. Removes nothing."""
    moment = datetime.now(UTC) if at is None else at.replace(tzinfo=at.tzinfo or UTC)
    planned = asyncio.run(_plan(database_address(database, state, "retention"), moment))
    if as_json:
        from pydantic import TypeAdapter

        typer.echo(TypeAdapter(list[Planned]).dump_json(planned, indent=2))
        return
    table = Table("site", "kind", "older than", "would go", "held", "held by")
    for one in planned:
        held_by = ", ".join(f"page {page}: {count}" if page else f"site: {count}" for page, count in one.held.items())
        table.add_row(one.site_id, one.kind, f"{one.before:%F %T}", str(one.going), str(sum(one.held.values())), held_by)
    Console().print(table)


@retention.command()
def run(as_json: AsJson = False, database: Database = None, kafka: Kafka = None, state: State = DEFAULT_STATE) -> None:
    """Remove now what is due, and have it audited.

    Ends with 0 if all of it is gone, or nothing was due; with 1 if some of it could not be removed, another process is
    sweeping, or the database or the broker does not answer; with 2 if it is called wrongly; with 130 if it was told to stop.
    """
    from services.retention.sweep import AlreadySweeping

    try:
        with stoppable():
            swept = asyncio.run(until_told(_run(_settings(database, kafka, state))))
    except AlreadySweeping:
        typer.echo("another process is sweeping", err=True)
        raise typer.Exit(1) from None
    if as_json:
        emit({"recorded": _told(swept.recorded), "unfinished": _told(swept.unfinished)})
    else:
        _say(swept)
    raise typer.Exit(1 if swept.unfinished else 0)


@retention.command()
def erase(
    site: Site, account: Annotated[str, typer.Argument(help="The person's account.")],
    database: Database = None, kafka: Kafka = None, state: State = DEFAULT_STATE,
) -> None:
    """Remove every comment of a person from a site, but for what is held, and have that audited.

    What the audit log says of them still verifies: it holds a digest alone, under a salt that goes with the comment. Ends with 0 if
    all of it is gone; with 1 if some of it could not be removed, another process is sweeping, or the database or the broker does not
    answer; with 2 if it is called wrongly; with 130 if it was told to stop.
    """
    from services.retention.sweep import AlreadySweeping
    from services.retention.wiring import by_hand

    async def erased(settings: "Settings") -> "Swept":
        async with by_hand(settings, lambda _run, _count: None) as sweep:
            return await sweep.erase(site, account)

    try:
        with stoppable():
            swept = asyncio.run(until_told(erased(_settings(database, kafka, state))))
    except AlreadySweeping:
        typer.echo("another process is sweeping", err=True)
        raise typer.Exit(1) from None
    _say(swept)
    raise typer.Exit(1 if swept.unfinished else 0)


def _settings(database: str | None, kafka: str | None, state: Any) -> "Settings":
    from services.retention.settings import Settings

    servers, idempotent = kafka_address(kafka, state)
    return Settings.model_validate(
        {"database": database_address(database, state, "retention"), "kafka": servers, "kafka_idempotent": idempotent}
    )


def _told(runs: list[Run]) -> list[dict[str, Any]]:
    return [{"run_id": one.run_id, "site_id": one.site_id, "kind": one.kind, "removed": one.removed} for one in runs]


def _say(swept: "Swept") -> None:
    for one in swept.recorded:
        typer.echo(f"{one.site_id} {one.kind}: {one.removed} removed (run {one.run_id})")
    for one in swept.unfinished:
        typer.echo(f"{one.site_id} {one.kind}: {one.removed} removed, the rest is left to the next run (run {one.run_id})", err=True)
    if not swept.recorded and not swept.unfinished:
        typer.echo("nothing is due")


@policy.command("list")
def list_policies(database: Database = None, state: State = DEFAULT_STATE) -> None:
    """Every policy."""
    from services.retention.store import rules

    table = Table("site", "kind", "days kept")
    for one in _ask(database, state, rules.policies):
        table.add_row(one.site_id, one.kind, str(one.keep_days))
    Console().print(table)


@policy.command("set")
def set_policy(
    site: Site, kind: OfKind, days: Annotated[int, typer.Argument(min=1, max=36_500, help="How many days they are kept.")],
    database: Database = None, state: State = DEFAULT_STATE,
) -> None:
    """Let a site's records of one kind go once they are so old."""
    import asyncpg

    from services.retention.store import rules

    try:
        _ask(database, state, lambda db: rules.set_policy(db, Policy(site, kind, days)))
    except asyncpg.CheckViolationError:
        raise typer.BadParameter(f"{kind} must be kept longer: the log may still bring them again") from None


@policy.command("remove")
def remove_policy(site: Site, kind: OfKind, database: Database = None, state: State = DEFAULT_STATE) -> None:
    """Keep a site's records of one kind for good. Ends with 1 if that was so already."""
    from services.retention.store import rules

    _must(_ask(database, state, lambda db: rules.remove_policy(db, site, kind)), f"{site} has no policy for {kind}")


@hold.command("list")
def list_holds(database: Database = None, state: State = DEFAULT_STATE) -> None:
    """Every hold, who placed it, and why."""
    from services.retention.store import rules

    table = Table("site", "page", "placed by", "since", "reason")
    for one in _ask(database, state, rules.holds):
        table.add_row(one.site_id, one.page_id or "(all)", one.placed_by, f"{one.placed_at:%F %T}", one.reason)
    Console().print(table)


@hold.command()
def place(
    site: Site, reason: Annotated[str, typer.Option(help="Why, for whoever asks later.")], page: Page = "",
    by: Annotated[str | None, typer.Option(help="Who places it; you, if not given.")] = None,
    database: Database = None, state: State = DEFAULT_STATE,
) -> None:
    """Let nothing of a page or a site go from now on. Ends with 1 if it is held already."""
    from services.retention.store import rules

    _must(_ask(database, state, lambda db: rules.place_hold(db, site, page, reason, by or getpass.getuser())), "it is held already")


@hold.command()
def lift(site: Site, page: Page = "", database: Database = None, state: State = DEFAULT_STATE) -> None:
    """End a hold. Ends with 1 if there is none."""
    from services.retention.store import rules

    _must(_ask(database, state, lambda db: rules.lift_hold(db, site, page)), "there is no such hold")


def _must(done: bool, otherwise: str) -> None:
    if not done:
        typer.echo(otherwise, err=True)
        raise typer.Exit(1)


def _ask(database: str | None, state: Any, question: "Callable[[asyncpg.Connection], Awaitable[T]]") -> T:
    return asyncio.run(_asked(database_address(database, state, "retention"), question))


async def _asked(address: str, question: "Callable[[asyncpg.Connection], Awaitable[T]]") -> T:
    import asyncpg

    db = await asyncpg.connect(address)
    try:
        return await question(db)
    finally:
        await db.close()


async def _plan(address: str, at: datetime) -> list[Planned]:
    from services.retention import domain
    from services.retention.store import records, rules

    async def planned(db: "asyncpg.Connection") -> list[Planned]:
        return [
            await records.plan(db, one.site_id, one.kind, domain.before(one.keep_days, at)) for one in await rules.policies(db)
        ]

    return await _asked(address, planned)


async def _run(settings: "Settings") -> "Swept":
    from services.retention.wiring import by_hand

    planned = await _plan(settings.database.get_secret_value(), datetime.now(UTC))
    with shown() as work:
        steps = {(one.site_id, one.kind): work.step(f"{one.site_id} {one.kind}", one.going, "records") for one in planned if one.going}

        def removed(run: Run, count: int) -> None:
            if (step := steps.get((run.site_id, run.kind))) is not None:
                step.add(count)

        async with by_hand(settings, removed) as sweep:
            return await sweep.run_once()
