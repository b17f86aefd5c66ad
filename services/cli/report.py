"""What a run showed, as tables for a person and as data for a program."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from services.local.site.tally import APPLIED, Tally

if TYPE_CHECKING:
    from services.local.demonstration import Report


def outcomes(console: Console, tally: Tally) -> None:
    """What became of every command and webhook, and how long decisions took."""
    reasons = [(name, count) for name, count in tally.commands.most_common() if name != APPLIED]
    _table(console, ("commands", "count"), [(APPLIED, tally.commands[APPLIED]), *((f"refused: {n}", c) for n, c in reasons)])
    _table(console, ("webhooks answered", "count"), sorted(tally.webhooks.items()))
    console.print(
        f"decide to outcome: p50 {tally.percentile(50):.1f} ms, p99 {tally.percentile(99):.1f} ms"
        f" ({tally.decide.get_total_count()} decisions)"
    )


def everything(console: Console, report: "Report") -> None:
    """The whole of a demonstration."""
    from services.local.demonstration import LOAD_LIMIT, REST_LIMIT

    console.print(f"broker: {report.broker}", markup=False)
    console.print(f"pages approved under load: {report.pages}")
    outcomes(console, report.tally)
    console.print(f"decision to audited: p50 {report.audited_ms[0]:.1f} ms, p99 {report.audited_ms[1]:.1f} ms")
    limits = f"{REST_LIMIT >> 20} MB", f"{LOAD_LIMIT >> 20} MB"
    _table(console, ("memory", f"at rest (limit {limits[0]})", f"under load (limit {limits[1]})"), [
        (name.replace("_", "-"), f"{report.at_rest[name] >> 20} MB", f"{size >> 20} MB") for name, size in report.under_load.items()
    ])
    console.print(f"audit entries verified: {report.verified}")
    _table(console, ("guarantee", "", "checked", ""), [
        (f.name, f.promise, f.checked, "holds" if f.breach is None else "BROKEN") for f in report.findings
    ])
    for failure in report.failures()[:20]:
        console.print(failure, style="red", markup=False, soft_wrap=True)


def as_data(report: "Report") -> dict[str, Any]:
    """The same for a program; memory in bytes, times in milliseconds."""
    tally = report.tally
    return {
        "broker": report.broker, "pages": report.pages, "commands": tally.commands, "webhooks": tally.webhooks,
        "decide_ms": {"p50": tally.percentile(50), "p99": tally.percentile(99)},
        "audited_ms": dict(zip(("p50", "p99"), report.audited_ms, strict=True)),
        "memory": {"at_rest": report.at_rest, "under_load": report.under_load}, "verified": report.verified,
        "guarantees": [asdict(finding) for finding in report.findings], "failures": report.failures(),
    }


def _table(console: Console, titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(*titles, box=None)
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
