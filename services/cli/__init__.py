"""The command line: running it all on one machine, and what an operator does by hand."""

import socket

import typer

from services.cli import demo, observe, operate, replay, run, simulate, tokens
from services.cli.audit import audit
from services.cli.documents import documents
from services.cli.quarantine import quarantine
from services.cli.retention import retention

app = typer.Typer(name="approvalflow", help=__doc__, no_args_is_help=True, pretty_exceptions_show_locals=False)
app.command()(run.up)
app.command()(observe.observe)
app.command()(demo.demo)
app.command()(simulate.simulate)
app.command()(operate.migrate)
app.command()(operate.topics)
app.command()(operate.acls)
app.command()(replay.replay)
app.command()(tokens.token)
app.command()(documents)
app.add_typer(audit, name="audit")
app.add_typer(quarantine, name="quarantine")
app.add_typer(retention, name="retention")


def main() -> None:
    """Run it; where a database, a broker or a service does not answer, say so in one line and end with 1."""
    try:
        app()
    except Exception as error:
        if not _unreachable(error):
            raise
        typer.echo(f"nothing answers there ({type(error).__name__}): is the system running?", err=True)
        raise SystemExit(1) from None


def _unreachable(error: Exception) -> bool:
    import asyncpg
    import httpx
    from aiokafka.errors import KafkaConnectionError

    away = (ConnectionError, socket.gaierror, asyncpg.PostgresConnectionError, KafkaConnectionError, httpx.TransportError)
    return isinstance(error, away)
