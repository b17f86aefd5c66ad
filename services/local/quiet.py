"""Waiting until everything that was asked has been handled: no consumer group is behind what it reads."""

import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from shared.contracts.topics import EVENTS, INTAKE


async def until_quiet(bootstrap: str, seconds: float) -> None:
    """Return once what flows from one topic to the next has come to rest.

    :raises TimeoutError: it had not in time.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await asyncio.gather(admin.start(), consumer.start())
    try:
        async with asyncio.timeout(seconds):
            while await _behind(admin, consumer, INTAKE.name) or await _behind(admin, consumer, EVENTS.name):
                await asyncio.sleep(0.1)
    finally:
        await asyncio.gather(admin.close(), consumer.stop())


async def _behind(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, topic: str) -> int:
    """By how many records all groups together are behind: what they committed is read before where the topic ends."""
    groups = [group for group, _ in await admin.list_consumer_groups()]
    committed = [await admin.list_consumer_group_offsets(group) for group in groups]
    places = {place for each in committed for place in each if place.topic == topic}
    ends = await consumer.end_offsets(places) if places else {}
    return sum(ends[place] - each[place].offset for each in committed for place in each if place in ends)
