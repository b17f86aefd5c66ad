"""Log, decision, audited in every sink, with all services running: the best rate, a rate held, and how soon a decision is found."""

from dataclasses import dataclass

from bench.flow import Flow, Held, begin, hold, seeded
from bench.load import Shape
from bench.measure import Span
from bench.report import Figure, Goal, Report, Run
from bench.stage import Stage
from bench.visible import Watch, in_archive, in_indexes

_SHARES = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
"""Of the best rate, one after another, until one can be held."""
_PROBE_SECONDS = 10.0
_PROBE_BEHIND = 0.75
"""Seconds of load that may be on its way at the end."""
_LASTING = 0.85
"""The share of a rate held for seconds that is held for minutes: by then PostgreSQL writes checkpoints as well."""
LATENCY_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, in seconds, and how much."""

    drained: int = 90_000
    held: float = 30.0
    latency: float = 15.0


async def pipeline(stage: Stage, report: Report, plan: Plan) -> None:
    """Measure all of it, on a stage where every service runs.

    :raises TimeoutError: what was poured did not get through.
    """
    await stage.prepare(Shape())
    stage.notice(f"pipeline: {plan.drained:,} decisions wait on the log")
    span = await _drain(stage, plan.drained)
    report.figures.append(_figure("pipeline, full log", span, "all services; until the last sink has the last event"))
    rate = _LASTING * await _holdable(stage, span.rate)
    stage.notice(f"pipeline: {rate:,.0f} a second for {plan.held:.0f} s")
    _held(report, await _pour(stage, "held", rate, plan.held), rate)
    await _latency(stage, report, LATENCY_SHARE * rate, plan.latency)


async def _drain(stage: Stage, decisions: int) -> Span:
    """The rate at which a full log gets through to the last sink."""
    await stage.stack.children["decision"].stop()
    load, flow = await seeded(stage, "drained", decisions), await begin(stage)
    await stage.fill(load.decisions())
    stage.stack.start_service("decision")
    return await flow.through(len(load))


async def _holdable(stage: Stage, best: float) -> float:
    """The highest share of the best rate that leaves nothing lying."""
    for share in _SHARES:
        rate = share * best
        held = await _pour(stage, f"probe-{share}", rate, _PROBE_SECONDS)
        stage.notice(f"pipeline: at {rate:,.0f} a second, {held.behind:,} behind after {_PROBE_SECONDS:.0f} s")
        if held.behind <= _PROBE_BEHIND * rate:
            return rate
    return _SHARES[-1] * best


async def _pour(stage: Stage, site: str, rate: float, seconds: float) -> Held:
    return await hold(stage, site, await seeded(stage, site, int(rate * seconds)), rate)


def _held(report: Report, held: Held, rate: float) -> None:
    note = f"{held.poured.sent:,} decisions in {held.poured.seconds:.0f} s, {held.behind:,} behind at the end; {_generator(held)}"
    figure = _figure("pipeline, held", held.span, note, held.flow)
    report.figures.append(figure)
    grown, by = held.flow.growth()
    report.goals += [
        Goal(what=f"pipeline held for {held.poured.seconds:.0f} s, decisions/s", wanted=8_000, measured=held.span.rate),
        Goal(what="its backlog at the end, in seconds of load", wanted=_PROBE_BEHIND, measured=held.behind / rate, at_most=True),
        Goal(what=f"its memory, last quarter / second ({grown})", wanted=1.1, measured=by, at_most=True),
        Goal(what="its decisions per CPU-second of the stack", wanted=4_000, measured=figure.a_cpu_second() or 0.0),
    ]


def _generator(held: Held) -> str:
    """What the load generator took, and whether it was the limit."""
    limit = ": IT WAS ITSELF LATE, so the rate was not what it should be" if held.poured.late > 1.0 else ""
    return f"load generator: {held.poured.cpu:.0%} of a core, at most {1000 * held.poured.late:.0f} ms late{limit}"


def _figure(name: str, span: Span, note: str, flow: Flow | None = None) -> Figure:
    resident = {} if flow is None else flow.most()
    return Figure(name=name, unit="decisions/s", note=note,
                  runs=[Run(value=span.rate, cpu=span.microseconds(), memory=resident)])


async def _latency(stage: Stage, report: Report, rate: float, seconds: float) -> None:
    """Each decision of a steady load, from its moment until it was found."""
    stage.notice(f"pipeline: {rate:,.0f} a second for {seconds:.0f} s, each decision looked for")
    site, watch = "found", Watch()
    async with watch.watching(stage.stack.postgres.dsn("console")):
        held = await _pour(stage, site, rate, seconds)
    indexes = await in_indexes(stage.db, watch, site)
    archive = in_archive(stage.stack.state / "archive", site)
    for name, found in (("every index", indexes), ("archive", archive)):
        for percent in (50, 99):
            value = found.get_value_at_percentile(percent) / 1000
            note = f"{found.get_total_count():,} decisions at {rate:,.0f}/s; {_generator(held)}"
            report.figures.append(Figure(name=f"asked to {name}, p{percent}", unit="ms", runs=[Run(value=value)], note=note))
    p99 = indexes.get_value_at_percentile(99) / 1e6
    report.goals.append(Goal(what="asked to every index, p99, seconds", wanted=1, measured=p99, at_most=True))
