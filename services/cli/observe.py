"""Watching the system that ``up`` runs, as it would be watched anywhere else."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from services.cli.ending import ended_well, until_told
from services.cli.options import DEFAULT_STATE, Addresses, State

if TYPE_CHECKING:
    from services.local.pager import Alert


def observe(state: State = DEFAULT_STATE) -> None:
    """Run Prometheus and Alertmanager with the shipped rules beside `up`, and print each alert, until Ctrl-C.

    Receivers are told too where the environment names their addresses (APPROVALS_ONCALL_PAGE and so on). Ends with 1 if a
    program is missing, does not start, or ends by itself.
    """
    from services.local.observe import NotInstalled

    running = Addresses.load(state)
    if running is None:
        raise typer.BadParameter("start the system with `up`")
    console = Console()
    try:
        with ended_well(console):
            asyncio.run(until_told(_observe(state.resolve() / "observe", running, console)))
    except NotInstalled as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


async def _observe(directory: Path, running: Addresses, console: Console) -> None:
    from services.local.observe import observing, webhooks
    from services.local.pager import listening

    def hear(alert: "Alert") -> None:
        state = "FIRING" if alert.firing else "resolved"
        console.print(f"{state} {alert.name} for {alert.path[1:]}: {alert.annotations['summary']}", markup=False, highlight=False)

    with listening(hear) as base:
        async with observing(directory, running.services, webhooks(base)) as observers:
            console.print(f"Prometheus: {observers.prometheus}\nAlertmanager: {observers.alertmanager}", markup=False)
            console.print("Alerts are printed here. Ctrl-C stops it.")
            await observers.watch()
