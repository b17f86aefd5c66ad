"""How far ``decision`` is behind: what bounds the log, and with it how much is accepted that nobody decides yet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.command import metrics
from shared.contracts.reasons import Reason
from shared.contracts.topics import INTAKE
from shared.problems import Refusal

RETRY_AFTER = 5
"""Seconds, told to who is turned away: time enough for ``decision`` to take tens of thousands of records off the log."""
_CLIENT = "approvalflow-command-backlog"
_GROUP = INTAKE.consumers[0]


class Backlog:
    """How many records of ``intake.v1`` wait for ``decision``, as last measured."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0

    def tell(self, waiting: int) -> None:
        """So many wait now."""
        self._waiting = waiting
        metrics.BACKLOG.set(waiting)

    def check(self) -> None:
        """:raises Refusal: too many wait already."""
        if self._waiting > self._limit:
            raise Refusal(Reason.UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER)})


async def keep_measuring(bootstrap: str, backlog: Backlog, seconds: float = 1.0) -> None:
    """Measure once in so many seconds, for ever. While the broker does not say, what it said last counts."""
    while True:
        try:
            async with _connected(bootstrap) as (admin, reader):
                while True:
                    backlog.tell(await _behind(admin, reader))
                    await asyncio.sleep(seconds)
        except (KafkaError, OSError) as error:
            structlog.get_logger().warning("backlog not measured", error=type(error).__name__)
            await asyncio.sleep(seconds)


@asynccontextmanager
async def _connected(bootstrap: str) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id=_CLIENT, request_timeout_ms=5000)
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, client_id=_CLIENT, request_timeout_ms=5000, enable_auto_commit=False)
    try:
        await admin.start()
        await reader.start()
        yield admin, reader
    finally:
        await admin.close()
        await reader.stop()


async def _behind(admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer) -> int:
    """What the log has removed by age waits for nobody, so a partition never read counts from its beginning."""
    [topic] = await admin.describe_topics([INTAKE.name])
    places = [TopicPartition(INTAKE.name, found["partition"]) for found in topic["partitions"]]
    begins, ends = await reader.beginning_offsets(places), await reader.end_offsets(places)
    committed = await admin.list_consumer_group_offsets(_GROUP)
    reached = {place: max(begins[place], committed[place].offset if place in committed else 0) for place in places}
    return sum(max(0, ends[place] - reached[place]) for place in places)
