"""The engine on a real database: each guarantee that does not need a broker to be seen."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from aiokafka import TopicPartition
from pydantic import BaseModel

from services.decision.consume import Consumer
from services.decision.engine import Engine
from shared.clock import now
from shared.contracts.base import SYSTEM, Caller, Channel, Licence
from shared.contracts.commands import CreateWorkflow, RecordGroupMembers, RecordSpaceAdmins, ReleaseQuarantine
from shared.contracts.envelope import headers
from shared.contracts.events import QuarantineReleased
from shared.contracts.topics import INTAKE, REPLIES, TYPE_OF
from shared.contracts.workflow import All, Quorum
from shared.kafka import Outgoing
from shared.postgres import connect_pool
from tests.builders import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    SPACE,
    WORKFLOW,
    a_caller,
    a_decision,
    a_definition,
    a_step,
    a_submission,
    accounts,
    groups,
)
from tests.stack import Database


@dataclass
class Log:
    """The log's two ends in memory: what the engine publishes, and which offsets it commits."""

    published: list[Outgoing] = field(default_factory=list)
    committed: list[dict[TopicPartition, int]] = field(default_factory=list)

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        self.published += list(messages)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed.append(offsets)


@dataclass
class OnLog:
    """A record as the consumer hands it over."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    offset: int
    topic: str = INTAKE.name
    partition: int = 0
    timestamp: int = 0


class Lane:
    """One partition's records, with offsets that count up."""

    def __init__(self, site: str) -> None:
        self.site = site
        self._offset = 0

    def record(self, message: BaseModel, id_: UUID | None = None, reply: int | None = None) -> OnLog:
        message = message.model_copy(update={"site_id": self.site})
        key = TYPE_OF[type(message)].key
        assert key is not None
        self._offset += 1
        head = headers(type(message), id_ or uuid4(), now(), "test", reply)
        return OnLog(key(message).encode(), message.model_dump_json().encode(), tuple(head), self._offset)

    def poison(self, key: bytes) -> OnLog:
        self._offset += 1
        return OnLog(key, b"{not json", (), self._offset)


@dataclass
class Bench:
    consumer: Consumer
    log: Log
    lane: Lane
    pool: asyncpg.Pool

    async def count(self, table: str, where: str = "true") -> int:
        value: int = await self.pool.fetchval(f"SELECT count(*) FROM {table} WHERE site_id = $1 AND {where}", self.lane.site)
        return value


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    pool = await connect_pool(database.dsn("decision"), 4, "test")
    log = Log()
    consumer = Consumer(pool, Engine(pool, timedelta(hours=24), 5), log, log.commit)  # type: ignore[arg-type]
    lane = Lane(f"site-{uuid4().hex[:8]}")
    admins = RecordSpaceAdmins(site_id="-", caller=a_caller(None), space_id=SPACE, admins=(DAVE,), read_at=now())
    definition = a_definition(a_step(accounts(ALICE, BOB), All()))
    create = CreateWorkflow(site_id="-", caller=a_caller(DAVE), workflow_id=WORKFLOW, space_id=SPACE, definition=definition)
    await consumer.handle([lane.record(admins), lane.record(create), lane.record(a_submission())])
    yield Bench(consumer, log, lane, pool)
    await pool.execute("DELETE FROM approvals.quarantine")
    await pool.close()


async def test_a_batch_is_written_published_and_then_committed(bench: Bench) -> None:
    assert await bench.count("approvals.outcome", "reason IS NULL") == 3
    assert [m.topic for m in bench.log.published] == ["approvalflow.events.v1"] * 3
    assert bench.log.committed == [{TopicPartition(INTAKE.name, 0): 4}]


async def test_two_approvers_in_one_instant_complete_the_step_once(bench: Bench) -> None:
    alice, bob = bench.lane.record(a_decision(ALICE)), bench.lane.record(a_decision(BOB))
    await asyncio.gather(bench.consumer.handle([alice]), bench.consumer.handle([bob]))
    assert await bench.count("approvals.outcome", "voter_id IS NOT NULL") == 2
    assert await bench.count("approvals.page", "status = 'approved' AND version = 3") == 1


async def test_a_member_of_a_group_decides_once_whatever_seat_the_group_has_filled(bench: Bench) -> None:
    lane = bench.lane
    members = RecordGroupMembers(site_id="-", caller=a_caller(None), group_id="g", members=(ALICE, BOB, CAROL), read_at=now())
    definition = a_definition(a_step(groups("g"), Quorum(n=3)))
    create = CreateWorkflow(site_id="-", caller=a_caller(DAVE), workflow_id="wf-g", space_id=SPACE, definition=definition)
    page = {"page_id": "g1", "workflow_id": "wf-g"}
    await bench.consumer.handle([lane.record(members), lane.record(create), lane.record(a_submission(DAVE, **page))])
    for who in (ALICE, ALICE, BOB, ALICE):
        await bench.consumer.handle([lane.record(a_decision(who, page_id="g1", approval_id="g1-1"))])
    assert await bench.count("approvals.outcome", "reason = 'already_decided' AND page_id = 'g1'") == 2
    assert await bench.count("approvals.page", "page_id = 'g1' AND status = 'open' AND approvals = 2") == 1


async def test_one_command_id_a_hundred_times_has_one_effect_and_equal_answers(bench: Bench) -> None:
    id_ = uuid4()
    copies = [bench.lane.record(a_decision(ALICE), id_, reply=2) for _ in range(100)]
    await asyncio.gather(*(bench.consumer.handle(copies[i::10]) for i in range(10)))
    assert await bench.count("approvals.outcome", "voter_id IS NOT NULL") == 1
    replies = [m for m in bench.log.published if m.topic == REPLIES.name]
    assert len(replies) == 100
    assert len({m.value for m in replies}) == 1
    assert {m.partition for m in replies} == {2}


async def test_a_redelivered_batch_publishes_the_same_bytes_after_the_state_moved_on(bench: Bench) -> None:
    alice, bob = bench.lane.record(a_decision(ALICE)), bench.lane.record(a_decision(BOB))
    await bench.consumer.handle([alice])
    first = bench.log.published[-1]
    await bench.consumer.handle([bob])
    await bench.consumer.handle([alice])
    assert bench.log.published[-1] == first
    assert await bench.count("approvals.outcome") == 5


async def test_a_crash_before_publishing_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bench.lane.record(a_decision(ALICE))
    before = len(bench.log.committed)

    async def crash(messages: Sequence[Outgoing]) -> None:
        list(messages)
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(bench.log, "publish", crash)
        with pytest.raises(ConnectionError):
            await bench.consumer.handle([record])
    assert len(bench.log.committed) == before
    await bench.consumer.handle([record])
    assert await bench.count("approvals.outcome", "voter_id IS NOT NULL") == 1
    assert bench.log.published[-1].value.count(b'"verdict":"approve"') == 1


async def test_poison_holds_up_its_own_key_only_and_release_replays_in_order(bench: Bench) -> None:
    key = f"{bench.lane.site}:900".encode()
    poison, behind = bench.lane.poison(key), bench.lane.record(a_decision(ALICE))
    neighbour = bench.lane.record(a_submission(page_id="901"))
    await bench.consumer.handle([poison, behind, neighbour])
    assert await bench.count("approvals.page", "page_id = '901' AND status = 'open'") == 1
    assert await bench.count("approvals.outcome", "voter_id IS NOT NULL") == 0
    await bench.consumer.handle([later := bench.lane.record(a_decision(BOB))])
    waiting = await bench.pool.fetch("SELECT reason, log_offset FROM approvals.quarantine WHERE key = $1 ORDER BY id", key.decode())
    assert [tuple(r) for r in waiting] == [("malformed", poison.offset), ("waiting", behind.offset), ("waiting", later.offset)]

    release = ReleaseQuarantine(site_id="-", caller=SYSTEM, key=key.decode())
    await bench.consumer.handle([bench.lane.record(release)])
    assert await bench.count("approvals.outcome", "voter_id IS NOT NULL") == 0
    await bench.consumer.handle([bench.lane.record(release.model_copy(update={"set_aside": True}))])
    votes = await bench.pool.fetch(
        "SELECT voter_id FROM approvals.outcome WHERE site_id = $1 AND voter_id IS NOT NULL ORDER BY version", bench.lane.site
    )
    assert [r["voter_id"] for r in votes] == [ALICE, BOB]
    left = await bench.pool.fetch("SELECT set_aside FROM approvals.quarantine WHERE key = $1", key.decode())
    assert [r["set_aside"] for r in left] == [True]


@pytest.mark.parametrize("caller", [
    a_caller(CAROL), a_caller(None), a_caller(CAROL, channel=Channel.CONSOLE), a_caller(CAROL, operator=True),
], ids=["person", "app", "visitor", "operator-by-forge"])
async def test_nobody_else_releases(bench: Bench, caller: Caller) -> None:
    await bench.consumer.handle([bench.lane.poison(f"{bench.lane.site}:900".encode())])
    release = ReleaseQuarantine(site_id="-", caller=caller, key=f"{bench.lane.site}:900", set_aside=True)
    await bench.consumer.handle([bench.lane.record(release)])
    assert await bench.count("approvals.outcome", "reason = 'not_permitted'") == 1
    assert await bench.pool.fetchval("SELECT set_aside FROM approvals.quarantine WHERE key = $1", release.key) is False


async def test_an_operator_releases_and_is_named(bench: Bench) -> None:
    operator = a_caller(CAROL, channel=Channel.CONSOLE, licence=Licence.INACTIVE, operator=True)
    await bench.consumer.handle([bench.lane.poison(f"{bench.lane.site}:900".encode())])
    release = ReleaseQuarantine(site_id="-", caller=operator, key=f"{bench.lane.site}:900", set_aside=True)
    await bench.consumer.handle([bench.lane.record(release)])
    assert await bench.pool.fetchval("SELECT set_aside FROM approvals.quarantine WHERE key = $1", release.key) is True
    kind = TYPE_OF[QuarantineReleased].type.encode()
    [told] = [orjson.loads(out.value) for out in bench.log.published if dict(out.headers)["ce_type"] == kind]
    assert (told["actor_id"], told["released"], told["remaining"]) == (CAROL, 0, 0)


async def test_two_writers_from_one_version_never_both_succeed(bench: Bench) -> None:
    pages = [bench.lane.record(a_submission(page_id=f"p{n}")) for n in range(50)]
    await bench.consumer.handle(pages)
    votes = [
        bench.lane.record(a_decision(who, page_id=f"p{n}", approval_id=f"p{n}-1")) for n in range(50) for who in (ALICE, BOB)
    ]
    await asyncio.gather(bench.consumer.handle(votes), bench.consumer.handle(votes), bench.consumer.handle(votes[::2]))
    assert await bench.count("approvals.page", "status = 'approved' AND version = 3 AND page_id LIKE 'p%'") == 50
    assert await bench.count("approvals.outcome", "voter_id IS NOT NULL") == 100
