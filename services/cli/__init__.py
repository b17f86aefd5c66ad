"""The command line: running it all on one machine, and what an operator does by hand."""

import typer

from services.cli import demo, operate, run, simulate, tokens
from services.cli.audit import audit
from services.cli.documents import documents
from services.cli.quarantine import quarantine
from services.cli.retention import retention

app = typer.Typer(name="approvalflow", help=__doc__, no_args_is_help=True, pretty_exceptions_show_locals=False)
app.command()(run.up)
app.command()(demo.demo)
app.command()(simulate.simulate)
app.command()(operate.migrate)
app.command()(operate.topics)
app.command()(tokens.token)
app.command()(documents)
app.add_typer(audit, name="audit")
app.add_typer(quarantine, name="quarantine")
app.add_typer(retention, name="retention")
