"""On a broker that asks who one is, each service may do what the routing table says, and nothing else."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)

from shared import kafka
from shared.clients import client
from shared.contracts.topics import GROUPS, TOPICS, WATCHED, Topic, acls
from shared.kafka import BatchPublisher, Outgoing, Record
from shared.lags import Lag, Lags
from shared.settings import ServiceSettings
from tests.certificates import Authority
from tests.integration.secured_broker import ADMIN, SecuredBroker
from tests.waiting import until

SERVICES = ("command", "decision", "audit-fanout", "retention", "console")
NOBODY = "nobody"
PARTITIONS = 2
EACH = [(service, topic) for service in (*SERVICES, NOBODY) for topic in TOPICS]
pytestmark = pytest.mark.skipif(
    not (shutil.which("java") and shutil.which("mvn")) and not os.environ.get("APPROVALFLOW_REQUIRE_KAFKA"),
    reason="NOT PROVED HERE: Apache Kafka needs Java and Maven",
)


@pytest_asyncio.fixture(scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredBroker]:
    """A broker that allows what ``acls`` lists, with one record on each topic."""
    broker = SecuredBroker(tmp_path_factory.mktemp("secured"), (*SERVICES, NOBODY))
    try:
        await broker.start()
        await broker.prepare(acls(), PARTITIONS)
        for topic in TOPICS:
            await write(broker, ADMIN, topic)
        yield broker
    finally:
        await broker.stop()


async def write(broker: SecuredBroker, service: str, topic: Topic, *, idempotent: bool = True) -> None:
    """Publish as services do, with a key and to a partition."""
    publisher = BatchPublisher(ServiceSettings(**broker.settings(service, kafka_idempotent=idempotent)), service)
    try:
        async with asyncio.timeout(30):
            await publisher.start()
            await publisher.publish([Outgoing(topic.name, b"key", b"value", [])])
            await publisher.publish([Outgoing(topic.name, b"key", b"value", [], partition=1)])
    finally:
        await publisher.stop()


@contextlib.asynccontextmanager
async def administered(broker: SecuredBroker, service: str, **changed: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client that asks and orders, as this service."""
    admin = AIOKafkaAdminClient(**client(ServiceSettings(**broker.settings(service, **changed)), service), request_timeout_ms=5000)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def read(broker: SecuredBroker, service: str, topic: Topic) -> bytes | None:
    """The first record, read outside of any group.

    :raises TopicAuthorizationFailedError: the service may not know of the topic, or not read it.
    """
    async with administered(broker, service) as admin:
        for described in await admin.describe_topics([topic.name]):
            if described["error_code"]:
                raise for_code(described["error_code"])
    consumer = AIOKafkaConsumer(**client(ServiceSettings(**broker.settings(service)), service), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic.name, n) for n in range(PARTITIONS)])
        async with asyncio.timeout(30):
            value: bytes | None = (await consumer.getone()).value
            return value
    finally:
        await consumer.stop()


async def follow(broker: SecuredBroker, service: str, group: str) -> None:
    """Wait for a record of a group's topic, read and committed as services do."""
    committed = asyncio.Event()

    async def handle(records: Sequence[Record]) -> None:
        await kafka.commit(subscriber.consumer, kafka.positions(records))
        committed.set()

    connected = kafka.connect(ServiceSettings(**broker.settings(service)), service, publishes=any(service in t.producers for t in TOPICS))
    subscriber = kafka.subscribe(connected, GROUPS[group], group, handle, max_records=10)
    try:
        await connected.start()
        await asyncio.wait_for(committed.wait(), 60)
    finally:
        await connected.stop()


@pytest.mark.parametrize(("service", "topic"), EACH, ids=lambda one: one if isinstance(one, str) else one.name)
async def test_a_service_writes_to_its_topics_and_to_no_other(secured: SecuredBroker, service: str, topic: Topic) -> None:
    if service in topic.producers:
        await write(secured, service, topic)
    else:
        with pytest.raises(TopicAuthorizationFailedError):  # an idempotent producer would not get as far as the topic
            await write(secured, service, topic, idempotent=False)


@pytest.mark.parametrize(("service", "topic"), EACH, ids=lambda one: one if isinstance(one, str) else one.name)
async def test_a_service_reads_its_topics_and_no_other(secured: SecuredBroker, service: str, topic: Topic) -> None:
    if service in topic.consumers:
        assert await read(secured, service, topic) == b"value"
    else:
        with pytest.raises(TopicAuthorizationFailedError):
            await read(secured, service, topic)


@pytest.mark.parametrize("group", GROUPS)
async def test_a_group_is_followed_by_its_service(secured: SecuredBroker, group: str) -> None:
    [service] = GROUPS[group].consumers
    await follow(secured, service, group)


@pytest.mark.parametrize("service", [*SERVICES, NOBODY])
async def test_no_other_service_moves_a_group(secured: SecuredBroker, service: str) -> None:
    for group, topic in GROUPS.items():
        if service not in topic.consumers:
            consumer = AIOKafkaConsumer(
                **client(ServiceSettings(**secured.settings(service)), service), group_id=group, enable_auto_commit=False,
            )
            try:
                with pytest.raises(GroupAuthorizationFailedError):
                    await asyncio.wait_for(_commit(consumer, topic), 30)
            finally:
                await consumer.stop()


async def _commit(consumer: AIOKafkaConsumer, topic: Topic) -> None:
    await consumer.start()
    place = TopicPartition(topic.name, 0)
    consumer.assign([place])
    await consumer.commit({place: 1})


@pytest.mark.parametrize("service", ["command", "console"])
async def test_lag_is_seen_by_whoever_looks_at_it(secured: SecuredBroker, service: str) -> None:
    lags = Lags(ServiceSettings(**secured.settings(service)), service, WATCHED[service])

    async def looked() -> list[Lag]:
        try:
            return await lags.look()
        except GroupCoordinatorNotAvailableError:  # no group has been there yet
            return []

    try:
        assert {lag.group for lag in await until(looked)} == set(WATCHED[service])
    finally:
        await lags.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_deletes_topics_or_makes_any(secured: SecuredBroker, service: str) -> None:
    async with administered(secured, service) as admin:
        deleted = await admin.delete_topics([topic.name for topic in TOPICS])
        made = await admin.create_topics([NewTopic("another", 1, 1)])
    assert all(code for _, code in deleted.topic_error_codes), deleted
    assert all(for_code(code) is TopicAuthorizationFailedError for _, code, *_ in made.topic_errors), made


@pytest.mark.parametrize("changed", [
    {"kafka_password": "another"}, {"kafka_username": "another"}, {"kafka_sasl_mechanism": "SCRAM-SHA-256"},
    {"kafka_security_protocol": "SSL", "kafka_username": "", "kafka_password": ""},
    {"kafka_security_protocol": "PLAINTEXT", "kafka_username": "", "kafka_password": ""},
], ids="-".join)
async def test_who_is_not_known_does_not_connect(secured: SecuredBroker, changed: dict[str, str]) -> None:
    with pytest.raises(KafkaError):
        async with administered(secured, "decision", **changed) as admin:
            await admin.describe_cluster()


async def test_a_broker_that_another_authority_vouches_for_is_not_spoken_to(
    secured: SecuredBroker, tmp_path_factory: pytest.TempPathFactory,
) -> None:
    for trusted in ("", str(Authority(tmp_path_factory.mktemp("other")).file)):
        with pytest.raises(KafkaConnectionError):
            async with administered(secured, "decision", kafka_ca_file=trusted):
                pass
