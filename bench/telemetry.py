"""What telemetry costs: the same load decided with every instrument and spans exported, and with OpenTelemetry switched off."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bench import seed
from bench.engine import drain
from bench.load import Load, Place
from bench.report import Figure, Goal, Report, Run
from bench.stage import Stage

_TRACED = 0.01
"""The share of commands whose callers trace them."""
_KEEPS = 0.95


async def telemetry(stage: Stage, report: Report, rounds: int, approvals: int, processes: int) -> None:
    """Measure both in turns; the records are the same, and carry the same headers."""
    async with _collector() as address:
        ways = {"telemetry on": {"OTEL_EXPORTER_OTLP_ENDPOINT": address}, "telemetry off": {"OTEL_SDK_DISABLED": "true"}}
        note = f"{_TRACED:.0%} of the commands traced; spans exported to a collector that throws them away"
        figures = {way: Figure(name=way, unit="decisions/s", runs=[], note=note) for way in ways}
        stage.notice("warming up")
        await _drained(stage, "telemetry-warm", 10_000, processes, {})
        for number in range(rounds):
            for way, settings in ways.items():
                stage.notice(f"round {number + 1} of {rounds}: {way}")
                figures[way].runs.append(await _drained(stage, f"{way}-{number}".replace(" ", "-"), approvals, processes, settings))
    report.figures += figures.values()
    on, off = (figure.spread()[1] for figure in figures.values())
    report.goals.append(Goal(what="engine with telemetry / without", wanted=_KEEPS, measured=on / off))


async def _drained(stage: Stage, site: str, approvals: int, processes: int, settings: dict[str, str]) -> Run:
    load = Load([Place(site, str(n)) for n in range(approvals)], traced=_TRACED)
    await stage.prepare(load.shape)
    await seed.sites(stage.db, [site])
    await seed.approvals(stage.db, load.places)
    await seed.settle(stage.db)
    return await drain(stage, load, processes, settings)


@asynccontextmanager
async def _collector() -> AsyncIterator[str]:
    """An address that takes spans."""
    async def taken(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", taken)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
