"""How fast one decision process drains a full ``intake.v1``: two-step approvals, two of three and then one of one."""

import asyncio
import contextlib
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import psutil
from pydantic import BaseModel
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.local.child import Child, free_port
from shared.clock import now
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.commands import CreateWorkflow, RecordDecision, RecordSpaceAdmins, SubmitApproval, Verdict
from shared.contracts.envelope import headers
from shared.contracts.topics import INTAKE, TYPE_OF
from shared.contracts.workflow import AccountApprover, Definition, Quorum, Step
from shared.contracts.workflow import Any as AnyRule
from shared.kafka import BatchPublisher, Outgoing
from shared.settings import ServiceSettings

SPACE, WORKFLOW = "bench-space", "bench"


@dataclass(frozen=True, slots=True)
class Load:
    """One site's approvals, and the messages that take each from submission to approved."""

    site: str
    approvals: int

    def caller(self, account: str | None) -> Caller:
        """A person on a licensed production site, or the app."""
        return Caller(channel=Channel.FORGE, environment=Environment.PRODUCTION, licence=Licence.ACTIVE,
                      account_id=account, app=account is None)

    def setup(self) -> Iterator[BaseModel]:
        """A space admin and a workflow."""
        yield RecordSpaceAdmins(site_id=self.site, caller=self.caller(None), space_id=SPACE, admins=("admin",), read_at=now())
        first = Step(name="review", approvers=tuple(AccountApprover(id=a) for a in ("a", "b", "c")), rule=Quorum(n=2))
        second = Step(name="release", approvers=(AccountApprover(id="d"),), rule=AnyRule())
        yield CreateWorkflow(site_id=self.site, caller=self.caller("admin"), workflow_id=WORKFLOW, space_id=SPACE,
                             definition=Definition(name="bench", steps=(first, second)))

    def submissions(self) -> Iterator[BaseModel]:
        """Every page put up for approval."""
        for page in range(self.approvals):
            yield SubmitApproval(site_id=self.site, caller=self.caller("author"), page_id=str(page), page_version=1,
                                 space_id=SPACE, workflow_id=WORKFLOW)

    def decisions(self) -> Iterator[BaseModel]:
        """Three decisions for each page, interleaved over all pages."""
        for account in ("a", "b", "d"):
            for page in range(self.approvals):
                yield RecordDecision(site_id=self.site, caller=self.caller(account), page_id=str(page),
                                     approval_id=f"{page}-1", page_version=1, verdict=Verdict.APPROVE)


def outgoing(messages: Iterable[BaseModel]) -> Iterator[Outgoing]:
    """Messages ready for the log, with an id of their own each."""
    for message in messages:
        route = TYPE_OF[type(message)]
        if route.key is None:
            raise TypeError(route.type)
        yield Outgoing(INTAKE.name, route.key(message).encode(), message.model_dump_json().encode(),
                       headers(type(message), uuid4(), now(), "approvalflow/bench"))


@contextlib.asynccontextmanager
async def decision(kafka: str, dsn: str, log: Path) -> AsyncIterator[psutil.Process]:
    """One decision process, as it runs anywhere."""
    environment = {"APPROVALFLOW_KAFKA": kafka, "APPROVALFLOW_DATABASE": dsn, "APPROVALFLOW_HTTP_PORT": str(free_port())}
    child = Child("decision", [sys.executable, "-m", "services.decision"], log, environment)
    try:
        yield psutil.Process(child.pid)
    finally:
        await child.stop()


async def _drain(db: asyncpg.Connection, site: str, before: int, expected: int, progress: Progress, what: str) -> float:
    """Outcomes stored a second, from the first batch seen to the last."""
    task = progress.add_task(what, total=expected)
    first: tuple[int, float] | None = None
    count: int
    while True:
        count = await db.fetchval("SELECT count(*) FROM approvals.outcome WHERE site_id = $1", site)
        progress.update(task, completed=count)
        if first is None and count > before:
            first = count, time.perf_counter()
        if count >= expected and first is not None:
            return (count - first[0]) / (time.perf_counter() - first[1])
        await asyncio.sleep(0.05)


async def measure(kafka: str, admin_dsn: str, dsn: str, approvals: int, console: Console, log: Path) -> dict[str, float]:
    """Decisions a second from the first batch stored to the last, the topic being full before the process starts."""
    load = Load(f"bench-{uuid4().hex[:8]}", approvals)
    publisher = BatchPublisher(ServiceSettings(kafka=kafka), "bench")
    await publisher.start()
    db = await asyncpg.connect(admin_dsn)
    with Progress(console=console, transient=True) as progress:
        async with decision(kafka, dsn, log):
            for done, message in enumerate(load.setup()):
                await publisher.publish(outgoing([message]))
                await _settled(db, load.site, done + 1)
        ready = 2 + approvals
        await publisher.publish(outgoing(load.submissions()))
        async with decision(kafka, dsn, log):
            submissions = await _drain(db, load.site, 2, ready, progress, "submissions")
        await publisher.publish(outgoing(load.decisions()))
        async with decision(kafka, dsn, log) as process:
            decisions = await _drain(db, load.site, ready, ready + 3 * approvals, progress, "decisions")
            used, memory = process.cpu_times(), process.memory_info().rss
    approved = await db.fetchval("SELECT count(*) FROM approvals.page WHERE site_id = $1 AND status = 'approved'", load.site)
    await db.close()
    await publisher.stop()
    if approved != approvals:
        raise AssertionError(f"{approved} of {approvals} pages approved")
    return {"decisions_per_second": decisions, "submissions_per_second": submissions,
            "cpu_seconds": used.user + used.system, "resident_megabytes": memory / 1e6}


async def _settled(db: asyncpg.Connection, site: str, expected: int) -> None:
    async with asyncio.timeout(30):
        while await db.fetchval("SELECT count(*) FROM approvals.outcome WHERE site_id = $1", site) < expected:
            await asyncio.sleep(0.05)


async def main(kafka: str, admin_dsn: str, dsn: str, log: Path, approvals: int = 30_000, rounds: int = 3) -> None:
    """Measure a few times in one run and print min, median and max."""
    console = Console()
    results = [await measure(kafka, admin_dsn, dsn, approvals, console, log) for _ in range(rounds)]
    table = Table(title=f"engine: {3 * approvals:,} decisions, one process, {os.cpu_count()} cores, Python {platform.python_version()}")
    for column in ("", "min", "median", "max"):
        table.add_column(column, justify="right")
    for name in results[0]:
        values = sorted(r[name] for r in results)
        table.add_row(name.replace("_", " "), *(f"{v:,.1f}" for v in (values[0], values[len(values) // 2], values[-1])))
    console.print(table)

