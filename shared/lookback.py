"""From where a partition has to be read again, so that nothing is passed over that a restored database does not have."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.clients import client
from shared.contracts.topics import Topic
from shared.kafka import Record
from shared.settings import ServiceSettings

BATCH = 10_000
"""Records: no service takes more in one batch, and it takes one batch of a partition after another."""
_PATIENCE = 60.0
_GATHER_MS = 20
"""A fetch that finds nothing holds up the next, of another partition, for as long."""

Handled = Callable[[Sequence[Record]], Awaitable[Sequence[bool | None]]]
"""Of each record, whether the database shows that it was handled; None where it would show nothing either way."""


class LogTooShort(Exception):
    """Records have expired that the database may not have."""


async def start(reader: AIOKafkaConsumer, place: TopicPartition, handled: Handled) -> int:
    """The offset before which everything was handled.

    That one record was handled says little: the same command may be on the log again much later. So it goes back until
    what might have been one batch was handled whole, and by a batch more, since within one the order is not that of the
    log. Going back too far costs time, and nothing else.

    :raises LogTooShort: the log does not reach back that far.
    :raises TimeoutError: the broker does not hand records over.
    """
    begin, upper = await bounds(reader, place)
    seen: Sequence[bool | None] = ()
    while upper > begin:
        lower = max(begin, upper - BATCH)
        seen = await handled(await read(reader, place, lower, upper))
        if upper - lower == BATCH and True in seen and False not in seen:
            return max(begin, lower - BATCH)
        upper = lower
    if begin > 0 and next((one for one in seen if one is not None), True) is False:
        raise LogTooShort(f"{place.topic}, partition {place.partition}: what came before offset {begin} has expired")
    return begin


@contextlib.asynccontextmanager
async def reader(settings: ServiceSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that is in no group, for the length of the block."""
    consumer = AIOKafkaConsumer(**client(settings, "lookback"), enable_auto_commit=False, fetch_max_wait_ms=_GATHER_MS)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def places(settings: ServiceSettings, topic: Topic) -> list[TopicPartition]:
    """Every partition of a topic."""
    admin = AIOKafkaAdminClient(**client(settings, "lookback"))
    await admin.start()
    try:
        [found] = await admin.describe_topics([topic.name])
    finally:
        await admin.close()
    return sorted(TopicPartition(topic.name, partition["partition"]) for partition in found["partitions"])


async def bounds(reader: AIOKafkaConsumer, place: TopicPartition) -> tuple[int, int]:
    """The offset of a partition's first record, and one past that of its last."""
    begins, ends = await asyncio.gather(reader.beginning_offsets([place]), reader.end_offsets([place]))
    return begins[place], ends[place]


async def read(reader: AIOKafkaConsumer, place: TopicPartition, first: int, end: int) -> list[Record]:
    """The records from ``first`` until before ``end``.

    :raises TimeoutError: the broker does not hand them over.
    """
    reader.assign([place])
    reader.seek(place, first)
    found: list[Record] = []
    async with asyncio.timeout(_PATIENCE) as patience:
        while await reader.position(place) < end:
            if more := (await reader.getmany(place, timeout_ms=200)).get(place):
                found += more
                patience.reschedule(asyncio.get_running_loop().time() + _PATIENCE)
    return [record for record in found if record.offset < end]
