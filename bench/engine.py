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
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from pydantic import BaseModel
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.decision.wiring import GROUP
from services.local.child import Child, DidNotStart, free_port
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


@dataclass(frozen=True, slots=True)
class Stage:
    """Where to measure: the servers' addresses, the log of the process measured, and the processes beside it by name."""

    kafka: str
    admin_dsn: str
    dsn: str
    log: Path
    beside: dict[str, int]


@dataclass(slots=True)
class Drained:
    """What a drain took, from the first batch committed to the last."""

    records: int
    seconds: float
    cpu: dict[str, float]
    resident: int

    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    def microseconds(self) -> dict[str, float]:
        """CPU microseconds of each process for one record."""
        return {name: 1e6 * seconds / self.records for name, seconds in self.cpu.items()}


@contextlib.asynccontextmanager
async def decision(stage: Stage) -> AsyncIterator[Child]:
    """One decision process, as it runs anywhere."""
    environment = {
        "APPROVALFLOW_KAFKA": stage.kafka, "APPROVALFLOW_DATABASE": stage.dsn, "APPROVALFLOW_HTTP_PORT": str(free_port()),
    }
    child = Child("decision", [sys.executable, "-m", "services.decision"], stage.log, environment)
    try:
        yield child
    finally:
        await child.stop()


def _cpu(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """CPU seconds used by each process and those under it."""
    result = {}
    for name, process in processes.items():
        times = [p.cpu_times() for p in (process, *process.children(recursive=True)) if p.is_running()]
        result[name] = sum(t.user + t.system for t in times)
    return result


async def _committed(admin: AIOKafkaAdminClient) -> int:
    try:
        offsets = await admin.list_consumer_group_offsets(GROUP)
    except GroupCoordinatorNotAvailableError:  # before the first group of all has joined
        return 0
    return sum(max(0, place.offset) for place in offsets.values())


async def _drain(stage: Stage, admin: AIOKafkaAdminClient, records: int, progress: Progress, what: str) -> Drained:
    """Start a decision process on a topic that is full, and measure until it has committed so many records.

    :raises DidNotStart: the process ended.
    """
    before = await _committed(admin)
    task = progress.add_task(what, total=records)
    first: tuple[int, float, dict[str, float]] | None = None
    async with decision(stage) as child, asyncio.timeout(300):
        process = psutil.Process(child.pid)
        processes = {"decision": process, **{name: psutil.Process(pid) for name, pid in stage.beside.items()}}
        while True:
            if not child.alive:
                raise DidNotStart(child.tail())
            done = await _committed(admin) - before
            progress.update(task, completed=done)
            if first is None and done:
                first = done, time.perf_counter(), _cpu(processes)
            if first is not None and done >= records:
                seconds, after = time.perf_counter() - first[1], _cpu(processes)
                used = {name: after[name] - first[2][name] for name in after}
                return Drained(done - first[0], seconds, used, process.memory_info().rss)
            await asyncio.sleep(0.1)


async def measure(stage: Stage, approvals: int, progress: Progress, name: str) -> dict[str, float]:
    """Submissions and decisions a second, and what a decision costs.

    :raises AssertionError: not every page was approved.
    """
    load = Load(f"bench-{uuid4().hex[:8]}", approvals)
    publisher = BatchPublisher(ServiceSettings(kafka=stage.kafka), "bench")
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka)
    await publisher.start()
    await admin.start()
    try:
        async with decision(stage):
            for message in load.setup():
                before = await _committed(admin)
                await publisher.publish(outgoing([message]))
                async with asyncio.timeout(30):
                    while await _committed(admin) == before:
                        await asyncio.sleep(0.1)
        await publisher.publish(outgoing(load.submissions()))
        submitted = await _drain(stage, admin, approvals, progress, f"{name}: submissions")
        await publisher.publish(outgoing(load.decisions()))
        decided = await _drain(stage, admin, 3 * approvals, progress, f"{name}: decisions")
    finally:
        await admin.close()
        await publisher.stop()
    await _all_approved(stage, load)
    return {
        "decisions per second": decided.rate(), "submissions per second": submitted.rate(),
        **{f"{process} µs CPU per decision": used for process, used in decided.microseconds().items()},
        "resident megabytes": decided.resident / 1e6,
    }


async def _all_approved(stage: Stage, load: Load) -> None:
    db = await asyncpg.connect(stage.admin_dsn)
    try:
        approved = await db.fetchval(
            "SELECT count(*) FROM approvals.page WHERE site_id = $1 AND status = 'approved'", load.site)
    finally:
        await db.close()
    if approved != load.approvals:
        raise AssertionError(f"{approved} of {load.approvals} pages approved")


async def main(stage: Stage, approvals: int = 30_000, rounds: int = 3) -> None:
    """Measure a few times in one run and print min, median and max."""
    console = Console()
    with Progress(console=console, disable=not console.is_terminal) as progress:
        results = [await measure(stage, approvals, progress, f"round {n + 1} of {rounds}") for n in range(rounds)]
    table = Table(title=f"{3 * approvals:,} decisions, one process, {os.cpu_count()} cores, Python {platform.python_version()}")
    table.add_column("")
    for column in ("min", "median", "max"):
        table.add_column(column, justify="right")
    for name in results[0]:
        values = sorted(r[name] for r in results)
        table.add_row(name, *(f"{v:,.1f}" for v in (values[0], values[len(values) // 2], values[-1])))
    console.print(table)
