"""Decisions and webhooks over HTTP, while all services run: how long callers wait, and up to which rate that is bearable."""

import sys

from bench.flow import begin, said, seeded
from bench.load import Shape
from bench.measure import Span, sample
from bench.report import Figure, Goal, Report, Run
from bench.stage import Stage
from bench.visitors import DECIDE, HOOK, Visit, Visited
from services.local.child import Child

RATE = 500.0
_STEP, _MOST = 1.2, 10_000.0
_STEP_DOWN, _LEAST = 1.5, 20.0
_BEARABLE_MS = 100.0
_LATE_MS = 20.0
"""Visitors that send so late, at the 99th percentile, were themselves the limit."""
_FAILURES = 0.001
_WARM_SECONDS = 10.0


async def edge(stage: Stage, report: Report, seconds: float) -> None:
    """Measure 500 requests a second, then ever more until callers wait too long, each rate for so many seconds."""
    await stage.prepare(Shape())
    await _visit(stage, "warm", RATE / 2, _WARM_SECONDS)
    visited, span = await _visit(stage, "edge", RATE, seconds)
    _first(report, visited, span)
    best, why = await _bearable(stage, _over(visited), seconds)
    report.figures.append(Figure(name="edge, bearable up to", unit="requests/s", runs=[Run(value=best)], note=why))


async def _bearable(stage: Stage, why: str, seconds: float) -> tuple[float, str]:
    """The highest rate tried that callers can bear, 0 if there is none, and why not the next; ``why`` is that of the first."""
    rate, best = RATE, 0.0 if why else RATE
    if not why:
        while not why and rate * _STEP <= _MOST:
            rate *= _STEP
            visited, _ = await _visit(stage, f"edge-{rate:.0f}", rate, seconds)
            why = _over(visited)
            best = best if why else rate
        return best, why
    while not best and rate / _STEP_DOWN >= _LEAST:
        rate /= _STEP_DOWN
        visited, _ = await _visit(stage, f"edge-{rate:.0f}", rate, seconds)
        best, why = (0.0, _over(visited)) if _over(visited) else (rate, why)
    return best, why


async def _visit(stage: Stage, site: str, rate: float, seconds: float) -> tuple[Visited, Span]:
    """Requests at a rate, once what an earlier rate left lying is done, and what the system took for them."""
    load, flow = await seeded(stage, site, int(rate * seconds * 0.8)), await begin(stage)
    order = Visit(address=stage.stack.address("command"), state=stage.stack.state / "issuer", site=site,
                  pages=len(load.places), rate=rate)
    first = sample(0, flow.watched)
    command = [sys.executable, "-m", "bench.visitors", order.model_dump_json()]
    child = Child("visitors", command, stage.stack.state / "logs" / f"visitors-{site}.log")
    try:
        visited = Visited.model_validate_json(await said(child))
    finally:
        await child.stop()
    stage.notice(f"edge: at {rate:,.0f} a second {_told(visited)}")
    return visited, Span(first, sample(sum(visited.answers.values()), flow.watched))


def _over(visited: Visited) -> str:
    """Why this rate is not bearable, empty if it is."""
    failed = sum(count for answer, count in visited.answers.items() if answer not in ("200", "204"))
    if visited.lag.p99 > _LATE_MS:
        return f"the load generator was itself the limit: {_told(visited)}"
    if failed > _FAILURES * sum(visited.answers.values()):
        return f"then some were refused: {_told(visited)}"
    return f"then {_told(visited)}" if visited.latency[DECIDE].p99 > _BEARABLE_MS else ""


def _told(visited: Visited) -> str:
    decide, hook = visited.latency[DECIDE], visited.latency[HOOK]
    return (
        f"decide p50 {decide.p50:.1f} p99 {decide.p99:.1f} ms, webhook p99 {hook.p99:.1f} ms, sent p99 {visited.lag.p99:.1f} ms late"
        f" (load generator: {visited.cpu:.0%} of a core), answers {visited.answers}"
    )


def _first(report: Report, visited: Visited, span: Span) -> None:
    for kind in (DECIDE, HOOK):
        for name, value in (("p50", visited.latency[kind].p50), ("p99", visited.latency[kind].p99)):
            run = Run(value=value, cpu=span.microseconds() if (kind, name) == (DECIDE, "p50") else {})
            report.figures.append(Figure(name=f"edge at {RATE:.0f}/s, {kind} {name}", unit="ms", runs=[run], note=_told(visited)))
    decide = visited.latency[DECIDE]
    report.goals += [
        Goal(what=f"edge at {RATE:.0f}/s, decide p50, ms", wanted=10, measured=decide.p50, at_most=True),
        Goal(what=f"edge at {RATE:.0f}/s, decide p99, ms", wanted=50, measured=decide.p99, at_most=True),
    ]
