"""How far consumer groups are behind, from the broker: where each partition ends, and what is committed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.clients import client
from shared.contracts.topics import Topic
from shared.settings import ServiceSettings

Offsets = Mapping[TopicPartition, int]
T = TypeVar("T")
_REQUEST_MS = 5000


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a consumer group is behind on a topic, in records; ``worst`` is the partition most behind.

    One that has never ``begun``, which is what a part that is switched off looks like, is behind by all that is kept.
    """

    group: str
    topic: str
    total: int
    worst: int
    begun: bool


def lag(group: str, topic: str, begins: Mapping[int, int], ends: Mapping[int, int], committed: Mapping[int, int]) -> Lag:
    """What lies between the end of each partition and what is committed, or what is kept where nothing is."""
    behind = {n: max(0, end - max(committed.get(n, 0), begins.get(n, 0))) for n, end in ends.items()}
    return Lag(group, topic, sum(behind.values()), max(behind, key=behind.__getitem__, default=0), bool(committed))


class Lags:
    """Two connections, made at the first look and kept: offsets are read by one that belongs to no group."""

    def __init__(self, settings: ServiceSettings, service: str, groups: Mapping[str, Topic]) -> None:
        self._client = client(settings, f"{service}-lags")
        self._groups = groups
        self._open: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None
        self._one = asyncio.Lock()

    async def look(self) -> list[Lag]:
        """The lag of each group.

        :raises KafkaError: the broker does not say; the next look connects again.
        """
        async with self._one:
            try:
                admin, reader = self._open or await self._connect()
                begins, ends = await self._bounds(admin, reader)
                committed = await asyncio.gather(*(admin.list_consumer_group_offsets(group) for group in self._groups))
            except (KafkaError, OSError, asyncio.CancelledError):
                await self.close()
                raise
        return [
            lag(group, topic, _of(topic, begins), _of(topic, ends), {n: at.offset for n, at in _of(topic, done).items()})
            for (group, topic), done in zip(((g, t.name) for g, t in self._groups.items()), committed, strict=True)
        ]

    async def _connect(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        common = self._client | {"request_timeout_ms": _REQUEST_MS}
        self._open = AIOKafkaAdminClient(**common), AIOKafkaConsumer(**common, enable_auto_commit=False)
        await asyncio.gather(*(client.start() for client in self._open))
        return self._open

    async def _bounds(self, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer) -> tuple[Offsets, Offsets]:
        topics = await admin.describe_topics(sorted({topic.name for topic in self._groups.values()}))
        places = [TopicPartition(topic["topic"], p["partition"]) for topic in topics for p in topic["partitions"]]
        if not all(topic["partitions"] for topic in topics):
            raise KafkaError("a topic is missing")
        return await reader.beginning_offsets(places), await reader.end_offsets(places)

    async def close(self) -> None:
        """Disconnect, in bounded time."""
        opened, self._open = self._open, None
        if opened is not None:
            await asyncio.wait({asyncio.ensure_future(opened[0].close()), asyncio.ensure_future(opened[1].stop())}, timeout=1)


def _of(topic: str, offsets: Mapping[TopicPartition, T]) -> dict[int, T]:
    return {place.partition: at for place, at in offsets.items() if place.topic == topic}
