"""How far consumer groups are behind, from the broker: where each partition ends, and what is committed."""

import asyncio
from collections.abc import Mapping
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.console.domain import Lag, lag
from shared.contracts.topics import GROUPS

Offsets = Mapping[TopicPartition, int]
T = TypeVar("T")


class Lags:
    """Two connections, made at the first look and kept: offsets are read by one that belongs to no group."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._open: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None
        self._one = asyncio.Lock()

    async def look(self) -> list[Lag]:
        """The lag of each group.

        :raises KafkaError: the broker does not say; the next look connects again.
        """
        async with self._one:
            try:
                admin, reader = self._open or await self._connect()
                begins, ends = await _bounds(admin, reader)
                committed = await asyncio.gather(*(admin.list_consumer_group_offsets(group) for group in GROUPS))
            except (KafkaError, OSError, asyncio.CancelledError):
                await self.close()
                raise
        return [
            lag(group, topic, _of(topic, begins), _of(topic, ends), {n: at.offset for n, at in _of(topic, done).items()})
            for (group, topic), done in zip(((g, t.name) for g, t in GROUPS.items()), committed, strict=True)
        ]

    async def _connect(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        name = "approvalflow-console"
        self._open = (
            AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, client_id=name),
            AIOKafkaConsumer(bootstrap_servers=self._bootstrap, client_id=name, enable_auto_commit=False),
        )
        await asyncio.gather(*(client.start() for client in self._open))
        return self._open

    async def close(self) -> None:
        """Disconnect, in bounded time."""
        opened, self._open = self._open, None
        if opened is not None:
            await asyncio.wait({asyncio.ensure_future(opened[0].close()), asyncio.ensure_future(opened[1].stop())}, timeout=1)


async def _bounds(admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer) -> tuple[Offsets, Offsets]:
    topics = await admin.describe_topics(sorted({topic.name for topic in GROUPS.values()}))
    places = [TopicPartition(topic["topic"], p["partition"]) for topic in topics for p in topic["partitions"]]
    if not all(topic["partitions"] for topic in topics):
        raise KafkaError("a topic is missing")
    return await reader.beginning_offsets(places), await reader.end_offsets(places)


def _of(topic: str, offsets: Mapping[TopicPartition, T]) -> dict[int, T]:
    return {place.partition: at for place, at in offsets.items() if place.topic == topic}
