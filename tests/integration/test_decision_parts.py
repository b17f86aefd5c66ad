"""A batch settled in lanes and parts: lanes go side by side, and nothing is committed before all of it is told of."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import TopicPartition
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from pydantic import BaseModel

from services.decision import metrics
from services.decision.consume import Consumer
from services.decision.domain.batch import Batch, Item, Seen
from services.decision.engine import Engine
from services.decision.parse import SITES_AT_ONCE
from shared.clock import now
from shared.contracts.commands import CreateWorkflow, RecordSpaceAdmins
from shared.contracts.envelope import headers
from shared.contracts.topics import INTAKE, TYPE_OF
from shared.kafka import Outgoing
from shared.postgres import connect_pool
from tests.builders import DAVE, SPACE, WORKFLOW, a_caller, a_definition, a_submission
from tests.stack import Database

PART = 3


@dataclass
class Record:
    """A record of one partition."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    offset: int
    topic: str = INTAKE.name
    partition: int = 0
    timestamp: int = 0


class Watched(Engine):
    """The engine, which says how many parts it has decided, and may be told to fail on one of them."""

    decided = 0
    fails_on = 0

    def decide(self, items: Sequence[Item], seen: Seen, at: datetime | None = None) -> Batch:
        self.decided += 1
        if self.decided == self.fails_on:
            raise ConnectionAbortedError
        return super().decide(items, seen, at)


@dataclass
class Log:
    """What is told and committed, in order; telling may wait, and may fail."""

    engine: Watched
    told: list[UUID] = field(default_factory=list)
    committed: list[tuple[int, int]] = field(default_factory=list)
    """The sum of the offsets committed, and how many messages were told by then."""
    waits_for: int = 0
    fails: bool = False

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        ids = [UUID(dict(message.headers)["ce_id"].decode()) for message in messages]
        async with asyncio.timeout(20):
            while self.engine.decided < self.waits_for:
                await asyncio.sleep(0.005)
        if self.fails:
            raise ConnectionError
        self.told += ids

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed.append((sum(offsets.values()), len(self.told)))


@dataclass
class Scene:
    site: str
    pool: asyncpg.Pool
    engine: Watched
    log: Log
    consumer: Consumer

    def records(self, messages: Iterable[BaseModel], partition: int = 0) -> tuple[list[Record], list[UUID]]:
        """Messages as they lie on one partition of the log, and their ids."""
        result, ids = [], []
        for offset, message in enumerate(m.model_copy(update={"site_id": self.site}) for m in messages):
            key = TYPE_OF[type(message)].key
            assert key is not None
            ids.append(uuid4())
            named = headers(type(message), ids[-1], now(), "test")
            result.append(Record(key(message).encode(), message.model_dump_json().encode(), tuple(named), offset, partition=partition))
        return result, ids

    def submissions(self, count: int, partition: int = 0) -> tuple[list[Record], list[UUID]]:
        """So many pages put up for approval."""
        return self.records((a_submission(page_id=f"p{partition}-{n}") for n in range(count)), partition)

    def two_partitions(self) -> tuple[list[Record], list[UUID], list[UUID]]:
        """Two parts of each of two partitions, which lie mixed in the batch; and the ids of each."""
        (first, first_ids), (second, second_ids) = self.submissions(2 * PART), self.submissions(2 * PART, 1)
        return [record for pair in zip(first, second, strict=True) for record in pair], first_ids, second_ids

    async def outcomes(self) -> int:
        """How many commands of this site have an outcome."""
        count: int = await self.pool.fetchval("SELECT count(*) FROM approvals.outcome WHERE site_id = $1", self.site)
        return count


@pytest.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    pool = await connect_pool(database.dsn("decision"), 4, "test")
    engine = Watched(pool, timedelta(hours=24), 5)
    log = Log(engine)
    consumer = Consumer(pool, engine, log, log.commit, PART)  # type: ignore[arg-type]  # it only publishes
    ready = Scene(f"site-{uuid4().hex[:8]}", pool, engine, log, consumer)
    admins = RecordSpaceAdmins(site_id="-", caller=a_caller(None), space_id=SPACE, admins=(DAVE,), read_at=now())
    create = CreateWorkflow(
        site_id="-", caller=a_caller(DAVE), workflow_id=WORKFLOW, space_id=SPACE, definition=a_definition())
    await consumer.handle(ready.records([admins, create])[0])
    engine.decided = 0
    log.told.clear()
    log.committed.clear()
    yield ready
    await pool.close()


async def test_one_lane_is_told_of_while_another_is_decided_and_all_before_the_one_commit(scene: Scene) -> None:
    records, first, second = scene.two_partitions()
    scene.log.waits_for = 2
    await scene.consumer.handle(records)
    assert [i for i in scene.log.told if i in first] == first
    assert [i for i in scene.log.told if i in second] == second
    assert scene.log.committed == [(4 * PART, 4 * PART)]


async def test_an_error_in_telling_of_a_part_while_another_is_decided_commits_nothing_and_loses_nothing(scene: Scene) -> None:
    records, first, second = scene.two_partitions()
    scene.log.waits_for, scene.log.fails = 2, True
    with pytest.raises(ConnectionError):
        await scene.consumer.handle(records)
    assert scene.engine.decided == 2
    assert (scene.log.told, scene.log.committed) == ([], [])
    scene.log.fails = False
    await scene.consumer.handle(records)
    assert sorted(scene.log.told) == sorted(first + second)
    assert scene.log.committed == [(4 * PART, 4 * PART)]
    assert await scene.outcomes() == 2 + 4 * PART


async def test_an_error_in_deciding_one_lane_ends_the_telling_of_another(scene: Scene) -> None:
    records, first, second = scene.two_partitions()
    scene.log.waits_for, scene.engine.fails_on = 3, 2
    with pytest.raises(ConnectionAbortedError):
        async with asyncio.timeout(10):
            await scene.consumer.handle(records)
    assert (scene.log.told, scene.log.committed) == ([], [])
    scene.log.waits_for = 0
    await scene.consumer.handle(records)
    assert sorted(scene.log.told) == sorted(first + second)


async def test_many_pushes_of_facts_share_a_transaction_and_pages_among_them_are_decided(scene: Scene) -> None:
    consumer = Consumer(scene.pool, scene.engine, scene.log, scene.log.commit, 1000)  # type: ignore[arg-type]  # as above
    pushes: list[BaseModel] = [
        RecordSpaceAdmins(site_id="-", caller=a_caller(None), space_id=f"space-{n}", admins=(DAVE,), read_at=now())
        for n in range(SITES_AT_ONCE + 1)
    ]
    records, ids = scene.records([*pushes[:10], a_submission(page_id="p"), *pushes[10:]])
    await consumer.handle(records)
    assert sorted(scene.log.told) == sorted(ids)
    transactions = await scene.pool.fetchval(
        "SELECT count(DISTINCT xmin::text) FROM approvals.outcome WHERE command_id = ANY ($1::uuid[])", ids)
    assert transactions == 3


async def test_a_command_that_has_its_outcome_counts_as_a_duplicate(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("test")
    monkeypatch.setattr(metrics, "duplicates", meter.create_counter("duplicates"))
    records, _ = scene.submissions(PART)
    await scene.consumer.handle(records)
    await scene.consumer.handle([*records, *records[:1]])
    counted = reader.get_metrics_data()
    assert counted is not None
    points = [p for r in counted.resource_metrics for s in r.scope_metrics for m in s.metrics for p in m.data.data_points]
    assert [getattr(p, "value", None) for p in points] == [PART + 1]
