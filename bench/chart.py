"""Measurements as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import NullLocator

from bench.report import RESULTS, Figure, Report

mpl.rcParams.update({"svg.hashsalt": "approvalflow", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
_BLUE = "#2b6cb0"


def bars(report: Report, name: str) -> Path:
    """Rates with their spread, and beside them what a CPU-second of all processes together does, whatever the machine."""
    rates = [figure for figure in report.figures if figure.unit == "decisions/s"]
    costed = [figure for figure in rates if figure.a_cpu_second() is not None]
    picture = Picture(figsize=(10, 0.9 + 0.45 * len(rates)), layout="constrained")
    left, right = picture.subplots(1, 2)
    _bars(left, "decisions a second (median, min to max)", {figure.name: figure.spread() for figure in rates})
    each = {figure.name: figure.a_cpu_second() or 0.0 for figure in costed}
    _bars(right, "decisions for a CPU-second of all processes", {name: (value, value, value) for name, value in each.items()})
    return _save(picture, report, name)


def _bars(axes: Axes, title: str, spreads: Mapping[str, tuple[float, float, float]]) -> None:
    medians = [median for _, median, _ in spreads.values()]
    errors = [[median - low for low, median, _ in spreads.values()], [high - median for _, median, high in spreads.values()]]
    axes.barh(list(spreads), medians, xerr=errors, color=_BLUE, ecolor="#333", capsize=3)
    for row, median in enumerate(medians):
        axes.annotate(f"{median:,.0f}", (median, row), xytext=(4, 6), textcoords="offset points")
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(title)


def parts(report: Report, name: str) -> Path:
    """What each part takes of the whole, in percent."""
    picture = Picture(figsize=(10, 0.9 + 0.25 * len(report.figures)), layout="constrained")
    _bars(picture.subplots(), "% of its CPU time", {figure.name: figure.spread() for figure in report.figures})
    return _save(picture, report, name)


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
