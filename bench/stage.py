"""Where measurements take place: servers of their own, approvals to decide on, and the processes that are measured."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import asyncpg
import psutil
from aiokafka.admin import AIOKafkaAdminClient

from bench.load import Shape, beginnings, outgoing
from bench.measure import Processes, Sample, Span, committed, members, sample
from services.decision.wiring import GROUP
from services.local.child import Child, DidNotStart, free_port
from services.local.supervisor import Notice, Stack, running
from shared.kafka import BatchPublisher, Outgoing
from shared.settings import ServiceSettings

_POLL_SECONDS = 0.1
_PATIENCE = 600.0
_CHUNK = 50_000


class TooSmall(Exception):
    """A load that is over before its measurement begins says nothing."""


@dataclass(slots=True)
class Stage:
    """Servers, and connections to them. ``notice`` says what is going on."""

    stack: Stack
    db: asyncpg.Connection
    admin: AIOKafkaAdminClient
    publisher: BatchPublisher
    notice: Notice
    shape: Shape | None = None
    """Of the approvals that can be copied."""
    started: int = 0
    servers: dict[str, list[int]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def processes(
        self, module: str, many: int, role: str | None, settings: Mapping[str, str] | None = None,
    ) -> AsyncIterator[list[Child]]:
        """So many processes of one module for the length of the block; without a role, as the superuser."""
        children = [self.start(module, role, settings or {}) for _ in range(many)]
        try:
            yield children
        finally:
            await asyncio.gather(*(child.stop() for child in children))

    def start(self, module: str, role: str | None, settings: Mapping[str, str]) -> Child:
        """One process, as it runs anywhere."""
        self.started += 1
        environment = {
            "APPROVALFLOW_KAFKA": self.stack.broker.bootstrap, "APPROVALFLOW_DATABASE": self.stack.postgres.dsn(role),
            "APPROVALFLOW_HTTP_PORT": str(free_port()), **settings,
        }
        log = self.stack.state / "logs" / f"{module}-{self.started}.log"
        return Child(module, [sys.executable, "-m", module], log, environment)

    async def prepare(self, shape: Shape) -> None:
        """Have one approval of this shape, made by a decision process from commands, that all others are copied from."""
        if self.shape == shape:
            return
        await self.db.execute(
            "TRUNCATE approvals.page, approvals.outcome, approvals.workflow, approvals.definition, approvals.step_approver,"
            " directory.space"
        )
        running = "decision" in self.stack.children
        async with contextlib.nullcontext() if running else self.processes("services.decision", 1, "decision"):
            for message in beginnings(shape):
                before = await committed(self.admin, GROUP)
                await self.publisher.publish([outgoing(message)])
                async with asyncio.timeout(30):
                    while await committed(self.admin, GROUP) == before:
                        await asyncio.sleep(_POLL_SECONDS)
        self.shape = shape

    async def fill(self, messages: Iterable[Outgoing]) -> None:
        """Put messages on the log, a bounded number at a time, all acknowledged."""
        remaining = iter(messages)
        while chunk := list(islice(remaining, _CHUNK)):
            await self.publisher.publish(chunk)

    async def drained(self, children: Sequence[Child], group: str, consumers: int, records: int, before: int) -> Span:
        """Measure from when all consumers share the load to when ``records`` more than ``before`` are committed.

        :raises DidNotStart: a process ended.
        :raises TimeoutError: they did not come to the end.
        :raises TooSmall: they were through before they could be watched.
        """
        watched: Processes = {"service": [child.pid for child in children], **self.servers}
        first: Sample | None = None
        async with asyncio.timeout(_PATIENCE):
            while True:
                done = await committed(self.admin, group) - before
                if first is None and done and await members(self.admin, group) == consumers:
                    first = sample(done, watched)
                    if done >= records:
                        raise TooSmall(f"{records} records are too few to measure")
                if first is not None and done >= records:
                    return Span(first, sample(done, watched))
                if ended := [child for child in children if not child.alive]:
                    raise DidNotStart(ended[0].tail())
                await asyncio.sleep(_POLL_SECONDS)


def _sized() -> dict[str, str]:
    """A database sized for a server of this machine's memory, as PostgreSQL's manual has it, and that seldom writes checkpoints.

    It takes huge pages where the machine has set some aside. Without them each new connection pays for the first touch of
    every page, which shows once millions of approvals lie in memory.
    """
    quarter = psutil.virtual_memory().total // 4
    return {"shared_buffers": f"{quarter >> 20}MB", "max_wal_size": "32GB", "checkpoint_timeout": "15min"}


@contextlib.asynccontextmanager
async def opened(directory: Path, notice: Notice, services: tuple[str, ...] = ()) -> AsyncIterator[Stage]:
    """A stage over new servers in ``directory``, with these services running.

    :raises DidNotStart: a server or a service did not start.
    """
    async with running(directory, notice, services=services, postgres=_sized()) as stack, contextlib.AsyncExitStack() as stop:
        publisher = BatchPublisher(ServiceSettings(kafka=stack.broker.bootstrap), "bench")
        await publisher.start()
        stop.push_async_callback(publisher.stop)
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.broker.bootstrap)
        await admin.start()
        stop.push_async_callback(admin.close)
        db = await asyncpg.connect(stack.postgres.dsn())
        stop.push_async_callback(db.close)
        stage = Stage(stack, db, admin, publisher, notice)
        servers = {"postgres": stack.postgres.child, "kafka": stack.broker.child}
        stage.servers = {name: [child.pid] for name, child in servers.items() if child is not None}
        yield stage
