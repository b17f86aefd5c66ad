"""A log, a database, and ``decision`` processes that are started, stopped and killed over them."""

import contextlib
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from chaos.burst import Burst
from chaos.orders import FILE, SESSION_MS, Orders, Trap
from services.decision.wiring import GROUP
from services.local.child import Child, free_port
from services.local.proof.evidence import Evidence
from services.local.proof.gather import gather
from shared.contracts.topics import EVENTS, INTAKE
from shared.kafka import BatchPublisher, Outgoing
from shared.settings import ServiceSettings
from tests.conftest import PARTITIONS
from tests.stack import Database, Log
from tests.waiting import until

BATCH, PART = 40, 15
"""Records a batch holds at most, unless a test says otherwise, and a part of one: few, so that any load is many batches."""


@dataclass
class Scene:
    """What a test puts on the log, and what it sees of it."""

    broker: Log
    database: Database
    directory: Path
    publisher: BatchPublisher
    admin: AIOKafkaAdminClient
    consumer: AIOKafkaConsumer
    asked: list[Outgoing] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        """Put messages on the log, each acknowledged."""
        asked = list(messages)
        self.asked += asked
        await self.publisher.publish(asked)

    async def prepare(self, load: Burst) -> None:
        """Make the workflows that a load needs."""
        async with self.decision():
            for messages in (load.directory(), load.workflows()):
                await self.publish(messages)
                await self.settled()

    @contextlib.asynccontextmanager
    async def decision(
        self, trap: Trap | None = None, batch: int = BATCH, quarantine_limit: int = 1000,
    ) -> AsyncIterator[Child]:
        """A process, stopped cleanly at the end; with a trap it meets that first."""
        number = next(self._numbers)
        orders = self.directory / f"decision-{number}.json"
        Orders(trap=trap).save(orders)
        environment = {
            FILE: str(orders), SESSION_MS: "6000",
            "APPROVALFLOW_KAFKA": self.broker.bootstrap, "APPROVALFLOW_KAFKA_IDEMPOTENT": str(self.broker.idempotent),
            "APPROVALFLOW_DATABASE": self.database.dsn("decision"), "APPROVALFLOW_PARTITIONS": str(PARTITIONS),
            "APPROVALFLOW_BATCH_RECORDS": str(batch), "APPROVALFLOW_PART_RECORDS": str(PART),
            "APPROVALFLOW_QUARANTINE_LIMIT": str(quarantine_limit), "APPROVALFLOW_HTTP_PORT": str(free_port()),
        }
        command = [sys.executable, "-m", *(("chaos.runner", "decision") if trap else ("services.decision",))]
        child = Child("decision", command, self.directory / f"decision-{number}.log", environment)
        try:
            yield child
        finally:
            await child.stop()

    async def committed(self) -> dict[TopicPartition, int]:
        """Up to where the group has come."""
        try:
            offsets = await self.admin.list_consumer_group_offsets(GROUP)
        except GroupCoordinatorNotAvailableError:  # no group has been there yet
            return {}
        return {place: meta.offset for place, meta in offsets.items() if place.topic == INTAKE.name and meta.offset > 0}

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """The end of each partition that is not empty."""
        ends = await self.consumer.end_offsets([TopicPartition(topic, n) for n in range(PARTITIONS)])
        return {place: end for place, end in ends.items() if end}

    async def shared_by(self, members: int) -> None:
        """Wait until this many processes have the partitions between them."""

        async def stable() -> bool:
            [answer] = await self.admin.describe_consumer_groups([GROUP])
            [(_, _, state, _, _, found, *_)] = answer.groups
            return state == "Stable" and len(found) == members

        await until(stable)

    async def told(self) -> int:
        """How many events were ever published, repeats too."""
        return sum((await self.ends(EVENTS.name)).values())

    async def settled(self, seconds: float = 40) -> None:
        """Wait until everything on the log is handled, with what it gave rise to."""

        async def all_committed() -> bool:
            return await self.committed() == await self.ends(INTAKE.name)

        await until(all_committed, seconds)

    async def evidence(self) -> Evidence:
        """All that is stored."""
        return await gather(self.database.dsn(), self.broker.bootstrap)


def ended(child: Child) -> Callable[[], Awaitable[bool]]:
    """Has this process ended, by itself or not?"""

    async def answer() -> bool:
        return not child.alive

    return answer


@contextlib.asynccontextmanager
async def opened(broker: Log, database: Database, directory: Path) -> AsyncIterator[Scene]:
    """The scene, connected for the length of the block."""
    publisher = BatchPublisher(ServiceSettings(kafka=broker.bootstrap, kafka_idempotent=broker.idempotent), "test")
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap)
    await publisher.start()
    await admin.start()
    await consumer.start()
    try:
        yield Scene(broker, database, directory, publisher, admin, consumer)
    finally:
        await consumer.stop()
        await admin.close()
        await publisher.stop()
