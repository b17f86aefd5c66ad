"""A simulated Confluence against the system that ``up`` runs."""

import asyncio
import time
from typing import Annotated

import typer

from services.cli.demo import Lanes, Seconds, Seed, traffic
from services.cli.ending import ended_well, until_told
from services.cli.options import DEFAULT_STATE, Addresses, State
from services.cli.progress import console


def simulate(
    rate: Annotated[float, typer.Option(min=1, help="Commands a second, beside the scripted situations.")] = 100,
    seconds: Seconds = 20, seed: Seed = 1, lanes: Lanes = 16, state: State = DEFAULT_STATE,
) -> None:
    """Send what Confluence and its people would, then show what became of it.

    Ends with 0 if all became what it should have, with 1 if a command did not, with 130 if it was told to stop.
    """
    from services.cli import report
    from services.local.demonstration import drive
    from services.local.issuer import LocalIssuer
    from services.local.site.tally import Tally

    running = Addresses.load(state)
    if running is None:
        raise typer.BadParameter("start the system with `up`")
    out, tally = console(), Tally()
    issuer = LocalIssuer.load_or_create(state.resolve() / "issuer")
    with ended_well(console(stderr=True)), traffic(seconds) as (_, progress):
        sending = drive(
            running.services["command"], issuer, tally, seed, seconds, lanes, run=time.time_ns() // 1_000_000, rate=rate,
            progress=progress,
        )
        asyncio.run(until_told(sending))
    report.outcomes(out, tally)
    for surprise in tally.surprises[:20]:
        out.print(surprise, style="red", markup=False)
    raise typer.Exit(1 if tally.surprises else 0)
