"""Measures the naive service as the engine is measured: a full topic, a process, its committed offsets."""

from aiokafka.admin import NewTopic

from bench.load import WORKFLOW, Load, Place
from bench.measure import committed
from bench.naive import EVENTS, GROUP, INTAKE, SCHEMA
from bench.report import Run
from bench.stage import Stage

PARTITIONS = 8
_SEED = """
    INSERT INTO bench_naive.approval SELECT $1, page, $2, 1, 1, 'open', 0, 0 FROM unnest($3::text[]) AS page
"""


async def naive(stage: Stage, site: str, approvals: int, in_flight: int) -> Run:
    """Decisions a second of one process that has so many messages in flight.

    :raises AssertionError: not every page was approved.
    """
    load = Load([Place(site, str(n)) for n in range(approvals)])
    await _prepare(stage, load, site)
    before = await committed(stage.admin, GROUP)
    await stage.fill(load.decisions(INTAKE, PARTITIONS))
    settings = {"APPROVALFLOW_IN_FLIGHT": str(in_flight)}
    async with stage.processes("bench.naive", 1, None, settings) as children:
        span = await stage.drained(children, GROUP, in_flight, len(load), before)
    approved = await stage.db.fetchval("SELECT count(*) FROM bench_naive.approval WHERE status = 'approved'")
    if approved != approvals:
        raise AssertionError(f"{approved} of {approvals} pages approved")
    return Run(value=span.rate, cpu=span.microseconds())


async def _prepare(stage: Stage, load: Load, site: str) -> None:
    """Tables of its own, empty but for the workflow and the open approvals, and topics of its own."""
    await stage.db.execute(SCHEMA)
    await stage.db.execute("INSERT INTO bench_naive.workflow VALUES ($1, $2)", WORKFLOW, load.shape.definition().model_dump_json())
    await stage.db.execute(_SEED, site, WORKFLOW, [place.page for place in load.places])
    await stage.db.execute("VACUUM (ANALYZE) bench_naive.approval")
    await stage.db.execute("CHECKPOINT")
    missing = {INTAKE, EVENTS} - set(await stage.admin.list_topics())
    if missing:
        await stage.admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in sorted(missing)])
