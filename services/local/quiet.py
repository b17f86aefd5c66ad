"""Waiting until everything that was asked has been handled: no consumer group is behind what it reads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts.topics import GROUPS, INTAKE, TOPICS


async def until_quiet(bootstrap: str, seconds: float) -> None:
    """Return once what flows from one topic to the next has come to rest.

    :raises TimeoutError: it had not in time.
    """
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(seconds):
        readers = {group: await stack.enter_async_context(_reader(bootstrap, group)) for group in GROUPS}
        first = [group for group, topic in GROUPS.items() if topic is INTAKE]
        while any([await _behind(readers[group]) for group in (*first, *GROUPS)]):
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def _reader(bootstrap: str, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Sees what a group has committed, and is no member of it."""
    reader = AIOKafkaConsumer(*(t.name for t in TOPICS), bootstrap_servers=bootstrap)
    await reader.start()
    partitions = [TopicPartition(GROUPS[group].name, n) for n in reader.partitions_for_topic(GROUPS[group].name) or ()]
    await reader.stop()
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    reader.assign(partitions)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def _behind(reader: AIOKafkaConsumer) -> int:
    """By how many records a group is behind: what it committed is read before where the topic ends."""
    places = sorted(reader.assignment())
    committed = {place: await reader.committed(place) or 0 for place in places}
    ends = await reader.end_offsets(places)
    return sum(max(0, ends[place] - committed[place]) for place in places)
