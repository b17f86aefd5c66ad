"""One run of everything: a simulated Confluence drives the system over HTTP, then what is stored is judged."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from services.local.issuer import LocalIssuer
from services.local.proof.gather import gather
from services.local.proof.guarantees import Finding, judge
from services.local.quiet import until_quiet
from services.local.site import story, traffic
from services.local.site.client import Client
from services.local.site.people import People
from services.local.site.tally import Tally
from services.local.site.world import world
from services.local.supervisor import Notice, Stack, running
from shared.postgres import connect_across_sites

REST_LIMIT, LOAD_LIMIT = 120 << 20, 300 << 20
"""Bytes of memory that one service may take."""
_SETTLE = 30.0
T = TypeVar("T")
Progress = Callable[[float], None]
"""Hears how many seconds of traffic are over."""


@dataclass(slots=True)
class Report:
    """What a run showed."""

    broker: str
    tally: Tally
    pages: int = 0
    at_rest: dict[str, int] = field(default_factory=dict)
    under_load: dict[str, int] = field(default_factory=dict)
    audited_ms: tuple[float, float] = (0.0, 0.0)
    """From a decision's event to its audit entry, median and 99th percentile."""
    verified: int = 0
    wrong: str | None = None
    findings: list[Finding] = field(default_factory=list)

    def failures(self) -> list[str]:
        """All that should not have been."""
        broken = [f"{f.name}: {f.breach}" for f in self.findings if f.breach is not None]
        return [*self.tally.surprises, *broken, *([self.wrong] if self.wrong is not None else [])]


async def demonstrate(state: Path, seed: int, seconds: float, lanes: int, notice: Notice, progress: Progress) -> Report:
    """Start everything, send traffic, wait until all of it is audited and archived, judge, and stop everything.

    :raises ChildEnded: a process ended by itself.
    :raises DidNotStart: one did not come up.
    """
    async with running(state, notice) as stack:
        report = Report(stack.broker.kind, Tally())
        await watched(stack, _drive(stack, report, seed, seconds, lanes, progress))
        notice("traffic is over: waiting until all of it is audited and archived")
        await watched(stack, _judge(stack, report))
        return report


async def watched(stack: Stack, work: Coroutine[Any, Any, T]) -> T:
    """Do this work, unless a process ends.

    :raises ChildEnded: one did; the work was given up.
    """
    task, watching = asyncio.create_task(work), asyncio.create_task(stack.watch())
    try:
        await asyncio.wait({task, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        return await task
    finally:
        for each in (task, watching):
            each.cancel()
        await asyncio.gather(task, watching, return_exceptions=True)


async def drive(
    address: str, issuer: LocalIssuer, tally: Tally, seed: int, seconds: float, lanes: int,
    *, run: int = 0, rate: float | None = None, progress: Progress = lambda _: None,
) -> int:
    """A simulated Confluence sends to the system at ``address``: every situation, and pages for ``seconds``; their number."""
    client = Client(address, issuer, tally, lanes * 4, f"{seed}-{run}")
    try:
        await client.install(address)
        everybody = [People(client, site) for site in world(seed, issuer.client_key, "local-dc", run)]
        await asyncio.gather(*(people.prepare() for people in everybody))
        await asyncio.gather(*(story.tell(people) for people in everybody))
        return await traffic.flow(everybody, seed, seconds, lanes, rate, progress)
    finally:
        await client.close()


async def _drive(stack: Stack, report: Report, seed: int, seconds: float, lanes: int, progress: Progress) -> None:
    report.at_rest = stack.memory()
    async with _sampled(stack, report.under_load):
        report.pages = await drive(
            stack.address("command"), stack.issuer, report.tally, seed, seconds, lanes, progress=progress,
        )


@contextlib.asynccontextmanager
async def _sampled(stack: Stack, most: dict[str, int]) -> AsyncIterator[None]:
    """Keep the most memory that each service took during the block."""
    async def sample() -> None:
        while True:
            for name, size in stack.memory().items():
                most[name] = max(size, most.get(name, 0))
            await asyncio.sleep(0.25)

    sampling = asyncio.create_task(sample())
    try:
        yield
    finally:
        sampling.cancel()


_AUDITED = """
    SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM recorded_at - occurred_at) * 1000)
      FROM audit.entry WHERE event_type = 'approvalflow.event.decision-recorded.v1'
"""


async def _judge(stack: Stack, report: Report) -> None:
    from services.audit_fanout.verify import verify  # noqa: PLC0415 - the one service whose own proof is part of the report

    await until_quiet(stack.broker.bootstrap, _SETTLE)
    db = await connect_across_sites(stack.postgres.dsn("console"))
    try:
        verdict = await verify(db)
        median, high = await db.fetchval(_AUDITED) or (0.0, 0.0)
    finally:
        await db.close()
    report.verified, report.wrong = verdict.verified, None if verdict.wrong is None else f"audit log: {verdict.wrong}"
    report.audited_ms = (float(median), float(high))
    found = await gather(stack.postgres.dsn(), stack.broker.bootstrap, stack.state / "archive")
    report.tally.bears_witness(found)
    report.findings = await asyncio.to_thread(judge, found)
