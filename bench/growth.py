"""Does a decision cost the same, however much there is? Each series lets one thing grow, and all else stays as it was."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import product
from uuid import uuid4

from bench import seed
from bench.engine import drain
from bench.load import Load, Place, Shape
from bench.report import Figure, Goal, Report, Run
from bench.stage import Stage

Measure = Callable[[Stage, int, int], Awaitable[Run]]
DECISIONS = 30_000
"""About so many a round, whatever the shape."""
_PAGES = DECISIONS // 3
_WARM_PAGES = 500_000
_SITE = "growth"
_PICK = """
    SELECT site_id, page_id FROM approvals.page TABLESAMPLE BERNOULLI ($1)
     WHERE status = 'open' AND site_id = $2 ORDER BY random() LIMIT $3
"""


async def open_approvals(stage: Stage, size: int, processes: int) -> Run:
    """So many approvals are open; those decided lie anywhere among them, and as many new ones take their place.

    The first time a page of the database is written after a checkpoint, PostgreSQL logs all of it. Between two checkpoints
    that is a small part of the work, so enough is decided before the first measurement that most pages were written.
    """
    await stage.prepare(Shape())
    if await _fill(stage, size) > size // 2:  # the first round at this size
        await seed.settle(stage.db)
        await drain(stage, await _anywhere(stage, size, min(_WARM_PAGES, size // 2)), processes)
        await _fill(stage, size)
    return await drain(stage, await _anywhere(stage, size, _PAGES), processes)


async def _fill(stage: Stage, size: int) -> int:
    """Have so many open approvals; returns how many were missing."""
    if not await stage.db.fetchval("SELECT true FROM approvals.workflow WHERE site_id = $1 LIMIT 1", _SITE):
        await seed.sites(stage.db, [_SITE])
    there = await stage.db.fetchval("SELECT count(*) FROM approvals.page WHERE status = 'open' AND site_id = $1", _SITE)
    prefix = uuid4().hex[:6]
    await seed.approvals(stage.db, [Place(_SITE, f"{prefix}{n}") for n in range(size - there)])
    await stage.db.execute("VACUUM (ANALYZE) approvals.page, approvals.outcome")
    return size - int(there)


async def _anywhere(stage: Stage, size: int, pages: int) -> Load:
    """So many of the open approvals, from anywhere among them."""
    share = min(100.0, 300.0 * pages / size)
    return Load([Place(*row) for row in await stage.db.fetch(_PICK, share, _SITE, pages)])


async def approvers(stage: Stage, size: int, processes: int) -> Run:
    """So many approvers on the first step, two of whom must approve."""
    return await _fresh(stage, Shape(((size, 2), (1, 1))), 1, _PAGES, processes)


async def steps(stage: Stage, size: int, processes: int) -> Run:
    """So many steps, each with one approver, but for the first."""
    shape = Shape(((3, 2), *((1, 1),) * (size - 1)))
    return await _fresh(stage, shape, 1, -(-DECISIONS // len(shape.voters())), processes)


async def sites(stage: Stage, size: int, processes: int) -> Run:
    """The same approvals on so many sites, each with a space and a workflow of its own."""
    return await _fresh(stage, Shape(), size, max(1, _PAGES // size), processes)


async def spread(stage: Stage, size: int, processes: int) -> Run:
    """All on so few pages, each of which takes ten thousand decisions: ten steps that a thousand must approve."""
    return await _fresh(stage, Shape(((1000, 1000),) * 10), 1, size, processes)


async def spaces(stage: Stage, size: int, processes: int) -> Run:
    """The same approvals in so many spaces."""
    await stage.prepare(Shape())
    site = f"growth-{uuid4().hex[:8]}"
    await seed.sites(stage.db, [site])
    places = [Place(site, str(n)) for n in range(_PAGES)]
    for number in range(size):
        await seed.approvals(stage.db, places[number::size], None if size == 1 else f"space-{number}")
    await seed.settle(stage.db)
    return await drain(stage, Load(places), processes)


async def _fresh(stage: Stage, shape: Shape, many_sites: int, pages: int, processes: int) -> Run:
    """New sites with so many pages each."""
    await stage.prepare(shape)
    names = [f"growth-{uuid4().hex[:8]}" for _ in range(many_sites)]
    await seed.sites(stage.db, names)
    places = [Place(site, str(n)) for n, site in product(range(pages), names)]
    await seed.approvals(stage.db, places)
    await seed.settle(stage.db)
    return await drain(stage, Load(places, shape), processes)


SERIES: dict[str, tuple[Measure, Sequence[int], float | None]] = {
    "approvers on a step": (approvers, (3, 30, 300, 1000), 0.9),
    "steps": (steps, (2, 10, 50), None),
    "sites": (sites, (1, 100, 10_000), None),
    "pages that all load is on": (spread, (1, 10, 30), None),
    "spaces": (spaces, (1, 1_000), None),
}
"""What grows, through which sizes, and how much of the rate at the smallest the largest must keep."""
OPEN, OPEN_SIZES, OPEN_KEEPS = "open approvals", (10_000, 100_000, 1_000_000, 10_000_000), 0.95


async def growth(stage: Stage, report: Report, rounds: int, most_open: int, processes: int) -> None:
    """Every series, the one that leaves the most behind it last; one that fails is reported, and the others are measured."""
    stage.notice("warming up")
    await spaces(stage, 1, processes)
    for name, (measure, sizes, keeps) in SERIES.items():
        turns = [size for _ in range(rounds) for size in sizes]
        await _series(stage, report, name, measure, turns, keeps, processes)
    turns = [size for size in OPEN_SIZES if size <= most_open for _ in range(rounds)]  # what is there does not go away
    await _series(stage, report, OPEN, open_approvals, turns, OPEN_KEEPS, processes)


async def _series(
    stage: Stage, report: Report, name: str, measure: Measure, turns: Sequence[int], keeps: float | None, processes: int,
) -> None:
    figures = {size: Figure(name=f"{name}: {size:,}", unit="decisions/s", runs=[], at=size) for size in turns}
    try:
        for size in turns:
            stage.notice(figures[size].name)
            figures[size].runs.append(await measure(stage, size, processes))
    except Exception as error:  # noqa: BLE001 - reported, and the other series are measured all the same
        report.failures[name] = f"{type(error).__name__}: {error}"
    measured = [figure for figure in figures.values() if figure.runs]
    report.figures += measured
    if keeps is not None and len(measured) == len(figures) > 1:
        first, last = min(turns), max(turns)
        kept = figures[last].spread()[1] / figures[first].spread()[1]
        report.goals.append(Goal(what=f"rate at {last:,} {name} / at {first:,}", wanted=keeps, measured=kept))
