"""Running the whole system on this machine."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cli.options import DEFAULT_STATE, Addresses, State

if TYPE_CHECKING:
    from services.local.supervisor import Stack

_ROLES = ("command", "decision", "audit_fanout", "retention", "console")


def up(
    state: State = DEFAULT_STATE,
    fixed_ports: Annotated[bool, typer.Option(help="8080 and up, rather than any that are free.")] = True,
) -> None:
    """Start a database, a broker and the five services, and keep them running until Ctrl-C.

    What they store stays in the state directory. Ends with 1 if one of them does not start, or ends by itself.
    """
    from services.local.supervisor import ChildEnded, DidNotStart  # noqa: PLC0415 - loads only what it needs

    console = Console(stderr=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it complains of a broker that is still starting
    failed = 0
    try:
        asyncio.run(_up(state.resolve(), console, fixed_ports=fixed_ports))
    except* (ChildEnded, DidNotStart) as failures:
        for failure in failures.exceptions:
            for one in getattr(failure, "exceptions", (failure,)):
                console.print(str(one), style="red", markup=False)
        failed = 1
    except* KeyboardInterrupt:
        failed = 130
    raise typer.Exit(failed)


async def _up(state: Path, console: Console, *, fixed_ports: bool) -> None:
    from services.local.supervisor import running, until_told  # noqa: PLC0415 - loads only what it needs

    with console.status("starting") as status:

        def notice(text: str) -> None:
            console.print(text, markup=False)

        async with running(state, notice, fixed_ports=fixed_ports) as stack:
            status.stop()
            addresses(stack).save(state)
            try:
                show(stack, console, state)
                await until_told(stack)
            finally:
                Addresses.forget(state)
                console.print("stopping")


def addresses(stack: "Stack") -> Addresses:
    """What other commands need to reach this system."""
    databases = {role: stack.postgres.dsn(role) for role in _ROLES} | {"postgres": stack.postgres.dsn()}
    return Addresses(
        kafka=stack.broker.bootstrap, kafka_idempotent=stack.broker.idempotent, databases=databases,
        services={name: stack.address(name) for name in stack.ports},
    )


def show(stack: "Stack", console: Console, state: Path) -> None:
    """Where everything is, what it takes, and a first request."""
    table = Table(box=None)
    for title in ("", "address", "memory"):
        table.add_column(title)
    for name, size in stack.memory().items():
        table.add_row(name.replace("_", "-"), stack.address(name), f"{size >> 20} MB")
    table.add_row("database", stack.postgres.dsn(), "")
    table.add_row("broker", stack.broker.bootstrap, "")
    console.print(table)
    tool = f"{sys.executable} -m services.cli"
    console.print(
        f"Logs are in {state / 'logs'}. Try, from another terminal:\n"
        f"  curl -sS -X PUT {stack.address('command')}/v1/directory/spaces/1/admins \\\n"
        f'    -H "Authorization: Bearer $({tool} token --state {state})" \\\n'
        f'    -H "Idempotency-Key: $(date +%s%N)" -H "Content-Type: application/json" -H "Prefer: wait=5" \\\n'
        """    -d "{\\"admins\\": [\\"ann\\"], \\"read_at\\": \\"$(date -u +%FT%TZ)\\"}\"""",
        markup=False, highlight=False, soft_wrap=True,
    )
    console.print("Ctrl-C stops it.")
