"""Running the whole system on this machine."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cli.ending import ended_well
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
    console = Console(stderr=True)
    with ended_well(console):
        asyncio.run(_up(state.resolve(), console, fixed_ports=fixed_ports))


async def _up(state: Path, console: Console, *, fixed_ports: bool) -> None:
    from services.local.supervisor import running, until_told

    with console.status("starting") as status:

        def notice(text: str) -> None:
            console.print(text, markup=False)

        async with running(state, notice, fixed_ports=fixed_ports) as stack:
            status.stop()
            addresses(stack).save(state)
            try:
                await install(stack)
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
        services={name: stack.address(name) for name in _ROLES}, provider=stack.provider,
    )


async def install(stack: "Stack") -> None:
    """Install the local Connect tenant and say that its licence is active, so that its tokens are accepted.

    :raises httpx.HTTPStatusError: one of the two was refused.
    """
    import httpx

    from shared.clock import now

    issuer, address = stack.issuer, stack.address("command")
    async with httpx.AsyncClient(base_url=address, timeout=15) as client:
        path = "/webhooks/connect/installed"
        signed = {"Authorization": f"JWT {issuer.install(address, path)}"}
        (await client.post(path, json=issuer.install_body(), headers=signed)).raise_for_status()
        signed = {"Authorization": f"JWT {issuer.connect(None, 'PUT', '/v1/licence')}"}
        read_at = now().isoformat()
        body = {"active": True, "read_at": read_at}
        (await client.put("/v1/licence", json=body, headers=signed | {"Idempotency-Key": read_at})).raise_for_status()


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
        f"Console: {stack.address('console')}, where you sign in as anyone with the password {stack.issuer.sign_in_password}\n"
        f"Logs are in {state / 'logs'}. Try, from another terminal:\n"
        f"  curl -sS -X PUT {stack.address('command')}/v1/directory/spaces/1/admins \\\n"
        f'    -H "Authorization: Bearer $({tool} token --state {state})" \\\n'
        f'    -H "Idempotency-Key: $(date +%s%N)" -H "Content-Type: application/json" -H "Prefer: wait=5" \\\n'
        """    -d "{\\"admins\\": [\\"ann\\"], \\"read_at\\": \\"$(date -u +%FT%T.%3NZ)\\"}\"""",
        markup=False, highlight=False, soft_wrap=True,
    )
    console.print("Ctrl-C stops it.")
