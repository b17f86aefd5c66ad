"""The tables of figures in the pages, written from what was measured: a block says which results, and which figures of them."""

import re
from collections.abc import Iterable
from pathlib import Path

from bench.report import RESULTS, Figure, Report

PAGES = (Path("README.md"), Path("docs/performance.md"), Path("docs/scaling.md"))
_BLOCK = re.compile(r"<!-- (?P<name>[a-z]+): (?P<wanted>[^>]+) -->\n.*?<!-- end -->", re.DOTALL)
_GOALS = "goals"


def written(text: str, results: Path = RESULTS) -> str:
    """A page with every block filled anew.

    :raises FileNotFoundError: there are no such results.
    :raises LookupError: a block asks for what was not measured.
    """
    return _BLOCK.sub(lambda block: _filled(block, results), text)


def _filled(block: re.Match[str], results: Path) -> str:
    report = Report.model_validate_json((results / f"{block['name']}.json").read_text())
    wanted = [each.strip() for each in block["wanted"].split(";")]
    rows = _goals(report) if wanted == [_GOALS] else _figures(report, wanted)
    return f"<!-- {block['name']}: {block['wanted']} -->\n" + "\n".join(rows) + "\n<!-- end -->"


def _goals(report: Report) -> Iterable[str]:
    yield "| goal | wanted | measured | |"
    yield "| --- | ---: | ---: | --- |"
    for goal in report.goals:
        sign = "≤" if goal.at_most else "≥"
        yield f"| {goal.what} | {sign} {_number(goal.wanted)} | {_number(goal.measured)} | {'met' if goal.met else '**not met**'} |"


def _figures(report: Report, wanted: list[str]) -> Iterable[str]:
    found = [figure for start in wanted for figure in _named(report, start)]
    costed = any(figure.cpu() for figure in found)
    yield "| | median | min to max |" + (" for a CPU-second | CPU µs of each |" if costed else "")
    yield "| --- | ---: | ---: |" + (" ---: | --- |" if costed else "")
    for figure in found:
        low, median, high = figure.spread()
        spread = f"{_number(low)} to {_number(high)}" if len(figure.runs) > 1 else ""
        yield f"| {figure.name} | {_number(median)} {figure.unit} | {spread} |" + (_cost(figure) if costed else "")


def _named(report: Report, start: str) -> list[Figure]:
    """The figure of this name, or else all whose names begin so."""
    found = [figure for figure in report.figures if figure.name == start]
    found = found or [figure for figure in report.figures if figure.name.startswith(start)]
    if not found:
        raise LookupError(start)
    return found


def _cost(figure: Figure) -> str:
    each = figure.a_cpu_second()
    cpu = ", ".join(f"{name} {value:,.0f}" for name, value in figure.cpu().items() if value >= 1)
    return f" {_number(each) if each else ''} | {cpu} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
