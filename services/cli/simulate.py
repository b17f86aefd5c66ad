"""A simulated Confluence against the system that ``up`` runs."""

import asyncio
import time
from typing import Annotated

import typer
from rich.console import Console

from services.cli.demo import Lanes, Seconds, Seed, bar
from services.cli.ending import ended_well, until_told
from services.cli.options import DEFAULT_STATE, Addresses, State


def simulate(
    rate: Annotated[float, typer.Option(min=1, help="Commands a second, beside the scripted situations.")] = 100,
    seconds: Seconds = 20, seed: Seed = 1, lanes: Lanes = 16, state: State = DEFAULT_STATE,
) -> None:
    """Send what Confluence and its people would, then show what became of it.

    Ends with 1 if a command did not become what it should have.
    """
    from services.cli import report
    from services.local.demonstration import drive
    from services.local.issuer import LocalIssuer
    from services.local.site.tally import Tally

    running = Addresses.load(state)
    if running is None:
        raise typer.BadParameter("start the system with `up`")
    console, tally = Console(), Tally()
    issuer = LocalIssuer.load_or_create(state.resolve() / "issuer")
    with ended_well(console), bar(console, seconds) as (_, progress):
        sending = drive(
            running.services["command"], issuer, tally, seed, seconds, lanes, run=time.time_ns() // 1_000_000, rate=rate,
            progress=progress,
        )
        asyncio.run(until_told(sending))
    report.outcomes(console, tally)
    for surprise in tally.surprises[:20]:
        console.print(surprise, style="red", markup=False)
    raise typer.Exit(1 if tally.surprises else 0)
