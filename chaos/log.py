"""The log as the harness sees it: past the proxy, and over connections that last no longer than a question."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.contracts.topics import Topic
from shared.kafka import Record

Offsets = dict[TopicPartition, int]


@contextlib.asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Asks about groups."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        await client.start()
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def reader(bootstrap: str, topic: Topic) -> AsyncIterator[AIOKafkaConsumer]:
    """Reads every partition of a topic, and is in no group."""
    consumer = AIOKafkaConsumer(topic.name, bootstrap_servers=bootstrap, enable_auto_commit=False, request_timeout_ms=5000)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def ends(bootstrap: str, topic: Topic) -> Offsets:
    """Where each partition ends."""
    async with reader(bootstrap, topic) as consumer:
        return dict(await consumer.end_offsets(sorted(consumer.assignment())))


async def since(bootstrap: str, topic: Topic, offsets: Mapping[TopicPartition, int]) -> list[Record]:
    """Every record from these offsets to the present end, in the order of each partition."""
    async with reader(bootstrap, topic) as consumer:
        places = sorted(consumer.assignment())
        last = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, offsets.get(place, 0))
        found: list[Record] = []
        while any([await consumer.position(place) < last[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found
