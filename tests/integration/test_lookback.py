"""From where a restored database needs the log again: never too late, whatever is on the log twice or has expired."""

from collections.abc import AsyncIterator, Collection, Sequence

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from shared import lookback
from shared.contracts.topics import EVENTS
from shared.kafka import BatchPublisher, Outgoing, Record
from shared.settings import ServiceSettings
from tests import stack

LAID = 23
"""Records on each partition."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookback, "BATCH", 5)


@pytest_asyncio.fixture(scope="module")
async def settings(broker: stack.Log, topics: list[str]) -> ServiceSettings:
    """A log with as many records on each of two partitions; of the second, the first ten have expired."""
    given = ServiceSettings(kafka=broker.bootstrap, kafka_idempotent=broker.idempotent)
    publisher = BatchPublisher(given, "test")
    await publisher.start()
    await publisher.publish(Outgoing(EVENTS.name, b"key", str(n).encode(), [], partition) for n in range(LAID) for partition in (0, 1))
    await publisher.stop()
    if broker.idempotent:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(EVENTS.name, 1): RecordsToDelete(before_offset=10)})
        await admin.close()
    return given


@pytest_asyncio.fixture
async def reader(settings: ServiceSettings) -> AsyncIterator[AIOKafkaConsumer]:
    async with lookback.reader(settings) as one:
        yield one


def shown(handled: Collection[int], silent: Collection[int] = ()) -> lookback.Handled:
    """A database that shows this of the records at these offsets."""

    async def answer(records: Sequence[Record]) -> list[bool | None]:
        return [None if record.offset in silent else record.offset in handled for record in records]

    return answer


@pytest.mark.parametrize(
    ("handled", "silent", "start"),
    [
        ((), (), 0),
        (range(LAID), (), 13),
        (range(20), (), 8),
        (range(18), (), 8),
        (range(17), (), 3),
        ((*range(9), 20, 21, 22), (), 0),
        ((*range(2), *range(18, 23)), (), 13),
        (range(14), range(14, 23), 8),
        (range(18), (15,), 8),
        ((), range(LAID), 0),
        (range(4), (), 0),
    ],
)
async def test_it_goes_back_a_batch_beyond_one_that_was_handled_whole(
    reader: AIOKafkaConsumer, handled: Collection[int], silent: Collection[int], start: int,
) -> None:
    assert await lookback.start(reader, TopicPartition(EVENTS.name, 0), shown(handled, silent)) == start


async def test_what_has_expired_must_have_been_handled(reader: AIOKafkaConsumer, broker: stack.Log) -> None:
    if not broker.idempotent:
        pytest.skip("only Apache Kafka forgets records when it is told to: install Java and Maven")
    place = TopicPartition(EVENTS.name, 1)
    assert await lookback.start(reader, place, shown(range(12))) == 10
    assert await lookback.start(reader, place, shown(range(12), silent=(10,))) == 10
    with pytest.raises(lookback.LogTooShort, match="before offset 10 has expired"):
        await lookback.start(reader, place, shown(range(9)))


async def test_records_are_read_as_asked_for(reader: AIOKafkaConsumer, settings: ServiceSettings) -> None:
    place = TopicPartition(EVENTS.name, 0)
    assert place in await lookback.places(settings, EVENTS)
    assert [record.value for record in await lookback.read(reader, place, 3, 7)] == [b"3", b"4", b"5", b"6"]
    assert await lookback.read(reader, place, 23, 23) == []
