"""Measurements as tables on a terminal."""

from rich.console import Console
from rich.table import Table

from bench.report import Report


def show(console: Console, report: Report) -> None:
    """Everything, and last what could not be measured."""
    console.print(report.load)
    _figures(console, report)
    if report.goals:
        _goals(console, report)
    if it := report.conditions:
        console.print(
            f"{it.cores} cores ({it.processor}), {it.filesystem}, {it.system}\n{it.broker}, PostgreSQL"
            f" {it.postgres['server_version']} with fsync {it.postgres['fsync']} and synchronous_commit"
            f" {it.postgres['synchronous_commit']}, Python {it.python}, {it.commit}", markup=False, highlight=False,
        )
    for part, why in report.failures.items():
        console.print(f"NOT MEASURED: {part}: {why}", style="red", markup=False)


def _figures(console: Console, report: Report) -> None:
    table = Table("", "unit", box=None)
    for title in ("min", "median", "max", "per CPU-second", "CPU µs per decision"):
        table.add_column(title, justify="right", overflow="fold")
    for figure in report.figures:
        per_second = figure.a_cpu_second()
        table.add_row(
            figure.name, figure.unit, *(_number(value) for value in figure.spread()),
            "" if per_second is None else _number(per_second),
            ", ".join(f"{name} {used:,.0f}" for name, used in figure.cpu().items()),
        )
    console.print(table)
    for figure in report.figures:
        if figure.note:
            console.print(f"  {figure.name}: {figure.note}", markup=False, highlight=False)


def _goals(console: Console, report: Report) -> None:
    table = Table("goal", "wanted", "measured", "", box=None)
    for goal in report.goals:
        wanted = f"{'≤' if goal.at_most else '≥'} {_number(goal.wanted)}"
        table.add_row(goal.what, wanted, _number(goal.measured), "met" if goal.met else "NOT MET")
    console.print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
