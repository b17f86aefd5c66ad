"""Measurements as pictures."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import NullLocator

from bench.report import RESULTS, Figure, Report

mpl.rcParams.update({"svg.hashsalt": "approvalflow", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
_BLUE = "#2b6cb0"


def bars(report: Report, name: str) -> Path:
    """Rates with their spread, and beside them what each decision costs of which process."""
    rates = [figure for figure in report.figures if figure.unit == "decisions/s"]
    costs = [figure for figure in rates if figure.cpu()]
    picture = Picture(figsize=(10, 0.9 + 0.45 * len(rates)), layout="constrained")
    left, right = picture.subplots(1, 2)
    _rates(left, rates)
    _costs(right, costs)
    return _save(picture, report, name)


def _rates(axes: Axes, figures: Sequence[Figure]) -> None:
    spreads = [figure.spread() for figure in figures]
    medians = [median for _, median, _ in spreads]
    errors = [[median - low for low, median, _ in spreads], [high - median for _, median, high in spreads]]
    axes.barh([figure.name for figure in figures], medians, xerr=errors, color=_BLUE, ecolor="#333", capsize=3)
    for row, median in enumerate(medians):
        axes.annotate(f"{median:,.0f}", (median, row), xytext=(4, 6), textcoords="offset points")
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("decisions a second (median, min to max)")


def _costs(axes: Axes, figures: Sequence[Figure]) -> None:
    names = list(dict.fromkeys(name for figure in figures for name in figure.cpu()))
    lefts = [0.0] * len(figures)
    for name in names:
        widths = [figure.cpu().get(name, 0.0) for figure in figures]
        axes.barh([figure.name for figure in figures], widths, left=lefts, label=name)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("CPU µs for one decision")
    if names:
        axes.legend(frameon=False)


def curves(report: Report, name: str) -> Path:
    """What a decision costs over the size of something: one panel for each series, named ``series: size``."""
    series: dict[str, list[Figure]] = {}
    for figure in report.figures:
        if figure.at is not None:
            series.setdefault(figure.name.partition(":")[0], []).append(figure)
    rows = -(-len(series) // 3) or 1
    picture = Picture(figsize=(12, 2.8 * rows), layout="constrained")
    panels = picture.subplots(rows, 3, squeeze=False).flat
    for (title, figures), panel in zip(series.items(), panels, strict=False):
        _curve(panel, title, figures)
    for panel in panels:
        panel.set_axis_off()
    return _save(picture, report, name)


def _curve(axes: Axes, title: str, figures: Sequence[Figure]) -> None:
    sizes = [figure.at or 0.0 for figure in figures]
    medians = [figure.spread()[1] for figure in figures]
    axes.plot(sizes, [1e6 / median for median in medians], marker="o", color=_BLUE, label="time")
    axes.plot(sizes, [sum(figure.cpu().values()) for figure in figures], marker="s", color="#c05621", label="CPU of all processes")
    if min(sizes) > 0 and max(sizes) / min(sizes) > 10:
        axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes], minor=False)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.set_title(title)
    axes.set_ylabel("µs for one decision")
    axes.legend(frameon=False)


def _save(picture: Picture, report: Report, name: str) -> Path:
    if report.conditions is not None:
        it = report.conditions
        picture.suptitle(f"{it.cores} cores, {it.broker}, PostgreSQL {it.postgres['server_version']}, {it.commit}", fontsize=8)
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.svg"
    picture.savefig(path, metadata={"Date": None})
    return path
