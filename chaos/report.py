"""What a run showed: on the terminal, as the page under ``docs/``, and as JSON for whoever counts on."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from chaos.run import Report, Suffered
from chaos.stage import SESSION

Row = Sequence[str]


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many in a hundred do not exceed; of none, 0."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0.0


def by_fault(suffered: Sequence[Suffered]) -> list[Row]:
    """Kind, point, how many, and seconds to recover: median, 99th percentile, longest."""
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in suffered:
        groups[one.fault.kind, one.fault.point] += [] if one.recovered is None else [one.recovered]
    return [(kind, point, str(len(times)), *_spread(times)) for (kind, point), times in sorted(groups.items())]


def _spread(times: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{value:.1f}" for value in (percentile(times, 50), percentile(times, 99), max(times, default=0.0)))


def summary(report: Report) -> list[Row]:
    """The run as a whole."""
    times = [s.recovered for s in report.suffered if s.recovered is not None]
    return [
        ("faults", str(len(report.suffered))),
        ("recovered", str(len(times))),
        ("minutes, on so many cores", f"{report.seconds / 60:.0f}, {os.cpu_count()}"),
        ("seconds to recover: p50, p99, longest", ", ".join(_spread(times))),
        ("requests answered over HTTP", str(report.tally.total())),
        ("accepted commands and facts, by id", str(report.accepted)),
        ("outcomes", str(report.outcomes.total())),
        ("audit entries verified", str(report.verified)),
        ("processes that ended by themselves", str(len(report.ended))),
        ("longest standstill of a partition in a rolling restart, seconds", f"{max((w.seconds for w in report.waits), default=0.0):.1f}"),
    ]


def show(console: Console, report: Report) -> None:
    """Everything, for a person."""
    _table(console, ("fault", "point", "times", "recovery p50 s", "p99 s", "longest s"), by_fault(report.suffered))
    _table(console, ("", ""), summary(report))
    _table(console, ("guarantee", "", "checked", ""), _verdicts(report))
    for one in report.ended:
        console.print(one, markup=False, soft_wrap=True)
    for failure in report.failures()[:20]:
        console.print(failure, style="red", markup=False, soft_wrap=True)


def _verdicts(report: Report) -> list[Row]:
    return [(f.name, f.promise, str(f.checked), "holds" if f.breach is None else "BROKEN") for f in report.findings]


def _table(console: Console, titles: Row, rows: Sequence[Row]) -> None:
    table = Table(*titles, box=None)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def page(report: Report) -> str:
    """The page that is kept."""
    outcomes = [(name, str(count)) for name, count in report.outcomes.most_common()]
    parts = [
        "# The system under faults\n",
        f"Written by `make chaos`; `python -m chaos --faults {len(report.suffered)} --seed {report.seed}` does the same again.",
        (f"Ran on {report.broker}. A group forgot a silent member after {SESSION:.0f} s, except in rolling restarts. Time to recover "
        "is from when the cause was gone until every service was ready, a command came back applied, and all that had been on "
        "the log was decided, audited and archived.\n"),
        *_lines(("", ""), summary(report)),
        "\n## What is promised\n", *_lines(("guarantee", "", "checked", ""), _verdicts(report)),
        *([f"\n- {failure}" for failure in report.failures()] or ["\nNothing failed."]),
        *(f"\nEnded by itself: {one.splitlines()[0]}" for one in report.ended),
        "\n## Faults\n",
        *_lines(("fault", "point", "times", "recovery p50 s", "p99 s", "longest s"), by_fault(report.suffered)),
        "\n## Outcomes of commands and facts\n", *_lines(("outcome", "count"), outcomes),
    ]
    return "\n".join(parts) + "\n"


def _lines(titles: Row, rows: Sequence[Row]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in chain([titles, ["---"] * len(titles)], rows)]


def save(report: Report, path: Path) -> None:
    """Write the page, and beside it each fault by itself."""
    path.write_text(page(report))
    whole = {"seed": report.seed, "waits": report.waits, "ended": report.ended, "faults": _each(report)}
    path.with_suffix(".json").write_bytes(orjson.dumps(whole) + b"\n")


def as_data(report: Report) -> dict[str, Any]:
    """Everything, for a program; times in seconds."""
    return {
        "seed": report.seed, "broker": report.broker, "seconds": round(report.seconds, 1), "accepted": report.accepted,
        "outcomes": report.outcomes, "verified": report.verified, "waits": report.waits, "ended": report.ended,
        "guarantees": [asdict(finding) for finding in report.findings], "faults": _each(report), "failures": report.failures(),
    }


def _each(report: Report) -> list[dict[str, Any]]:
    return [
        {"number": number, "kind": s.fault.kind, "point": s.fault.point, "held": round(s.held, 2),
         "recovered": None if s.recovered is None else round(s.recovered, 2), "wrong": s.wrong}
        for number, s in enumerate(report.suffered)
    ]
