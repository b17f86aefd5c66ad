"""After a database was restored: what it lost of what had been told is decided again, at the moment and with the result it was told with.

Only what nobody has heard of yet is left to ``decision``: its group is set back to where the database ends.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.decision.domain.batch import Item, Stored
from services.decision.engine import Engine
from services.decision.parse import PAGES, read_item
from services.decision.release import read_held
from services.decision.settings import Settings
from services.decision.store import pages, quarantine, sites
from services.decision.store.sites import LostRace
from services.decision.wiring import GROUP
from shared import lookback, postgres
from shared.clients import client
from shared.contracts.commands import ReleaseQuarantine
from shared.contracts.envelope import Unreadable
from shared.contracts.events import CommandRefused
from shared.contracts.topics import EVENTS, INTAKE, TYPE_OF
from shared.kafka import Record

_REFUSED = TYPE_OF[CommandRefused].type
Notice = Callable[[int, int], None]
"""Hears how many commands are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many outcomes are there again, and the commands that come out other than they were told."""

    outcomes: int
    differing: list[str]


class _Told(NamedTuple):
    """What an event said of its command."""

    type: str
    event: str
    data: dict[str, Any]
    at: datetime


class _Differs(Exception):
    """A command comes out other than it was told."""


async def replay(settings: Settings, notice: Notice = lambda _done, _of: None) -> Replayed:
    """Do it; nobody else may decide meanwhile. After an interruption it can be run again.

    :raises CommitFailedError: a ``decision`` process is running.
    :raises LogTooShort: the log does not reach back to where the database ends.
    """
    async with contextlib.AsyncExitStack() as stack:
        pool = await postgres.connect_pool(settings.database.get_secret_value(), 2, "replay")
        stack.push_async_callback(pool.close)
        member = await stack.enter_async_context(_member(settings))
        reader = await stack.enter_async_context(lookback.reader(settings))
        records = await _set_back(pool, member, reader, await lookback.places(settings, INTAKE))
        told = await _told(pool, reader, await lookback.places(settings, EVENTS))
        engine = Engine(pool, settings.facts_max_age, settings.write_attempts)
        return await _decide(pool, engine, await _lost(pool, records, told), notice)


@contextlib.asynccontextmanager
async def _member(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """What may see and set how far the group has come, while nobody is in it."""
    consumer = AIOKafkaConsumer(**client(settings, "replay"), group_id=GROUP, enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _set_back(
    pool: asyncpg.Pool, member: AIOKafkaConsumer, reader: AIOKafkaConsumer, places: Sequence[TopicPartition],
) -> list[Record]:
    """Set the group back to where the database ends, never forward; the records from there on."""
    member.assign(places)
    offsets: dict[TopicPartition, int] = {}
    records: list[Record] = []
    for place in places:
        start, (begin, end) = await lookback.start(reader, place, partial(_handled, pool, place)), await lookback.bounds(reader, place)
        offsets[place] = max(begin, min(start, await member.committed(place) or 0))
        records += await lookback.read(reader, place, offsets[place], end)
    await member.commit(offsets)
    return records


async def _handled(pool: asyncpg.Pool, place: TopicPartition, records: Sequence[Record]) -> list[bool | None]:
    """Has each an outcome, or is it in quarantine? A fact that said nothing new is neither."""
    ids = [_id(record) for record in records]
    async with pool.acquire() as db:
        stored = await pages.read_outcomes(db, {id_ for id_ in ids if id_ is not None})
        kept = await quarantine.kept(db, place.topic, place.partition, [record.offset for record in records])
    return [
        True if id_ in stored or record.offset in kept else None if _is_fact(record) else False
        for id_, record in zip(ids, records, strict=True)
    ]


def _id(record: Record) -> UUID | None:
    try:
        return UUID(dict(record.headers)["ce_id"].decode())
    except (KeyError, ValueError):
        return None


def _is_fact(record: Record) -> bool:
    return dict(record.headers).get("ce_type", b"").startswith(b"approvalflow.fact.")


async def _told(pool: asyncpg.Pool, reader: AIOKafkaConsumer, places: Iterable[TopicPartition]) -> dict[UUID, _Told]:
    """What was told of commands that may have no outcome now, as it was told first."""
    told: dict[UUID, _Told] = {}
    for place in places:
        start, (_, end) = await lookback.start(reader, place, partial(_handled, pool, place)), await lookback.bounds(reader, place)
        for record in await lookback.read(reader, place, start, end):
            id_ = _id(record)
            if id_ is not None and id_ not in told:
                text = (record.value or b"").decode()
                data = orjson.loads(text)
                kind = dict(record.headers)["ce_type"].decode()
                told[id_] = _Told(kind, text, data, datetime.fromisoformat(data["occurred_at"]))
    return told


async def _lost(pool: asyncpg.Pool, records: Sequence[Record], told: dict[UUID, _Told]) -> list[tuple[Item, _Told]]:
    """The records whose outcome was told and is not there, in the order in which they were decided."""
    items = {item.envelope.id: item for item in reversed(list(_readable(records)))}
    async with pool.acquire() as db:
        for release in [item for item in items.values() if isinstance(item.data, ReleaseQuarantine)]:
            for held in await quarantine.waiting(db, release.data.key):
                with contextlib.suppress(Unreadable):
                    items.setdefault((item := read_held(held)).envelope.id, item)
        stored = await pages.read_outcomes(db, items.keys() & told.keys())
    lost = [(item, told[id_]) for id_, item in items.items() if id_ in told and id_ not in stored]
    return sorted(lost, key=lambda one: (one[1].at, one[0].partition, one[0].offset))


def _readable(records: Iterable[Record]) -> Iterable[Item]:
    for record in records:
        with contextlib.suppress(Unreadable):
            yield read_item(record)


async def _decide(pool: asyncpg.Pool, engine: Engine, lost: Sequence[tuple[Item, _Told]], notice: Notice) -> Replayed:
    differing: dict[str, str] = {}
    outcomes = 0
    for done, (item, told) in enumerate(lost, 1):
        if item.key not in differing:
            try:
                await _again(pool, engine, item, told)
                outcomes += 1
            except (_Differs, LostRace, asyncpg.IntegrityConstraintViolationError):
                differing[item.key] = f"{item.envelope.id} ({item.key}) was told as {told.type} at {told.at:%FT%T.%fZ}"
        notice(done, len(lost))
    return Replayed(outcomes, list(differing.values()))


async def _again(pool: asyncpg.Pool, engine: Engine, item: Item, told: _Told) -> None:
    """Decide one command at the time it was decided.

    :raises _Differs: it does not come out as it was told; nothing is written.
    """
    if type(item.data) in PAGES and told.type != _REFUSED:
        batch = engine.decide([item], await engine.read([item]), told.at)
        if [outcome.event for _, outcome in batch.results] != [told.event] or (await engine.write(batch))[1]:
            raise _Differs
        return
    async with pool.acquire() as db, db.transaction():
        if told.type == _REFUSED or isinstance(item.data, ReleaseQuarantine):
            await sites.write_outcome(db, _as_told(item, told))  # changes nothing else, so that it needs no deciding
            return
        decided = await engine.settle_site(db, item, told.at)
        if decided is None or decided.event != told.event:
            raise _Differs


def _as_told(item: Item, told: _Told) -> Stored:
    said = told.data
    return Stored(
        item.envelope.id, said["site_id"], item.key, said.get("reason"), said.get("version", 0), told.type, told.event, None,
        told.at, said.get("page_id"),
    )
