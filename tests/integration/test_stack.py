"""The stack that every other test stands on."""

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests import stack
from tests.conftest import PARTITIONS

ROLES = ("command", "decision", "audit_fanout", "retention", "console")


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_can_log_in_and_is_no_superuser(database: stack.Database, role: str) -> None:
    connection = await asyncpg.connect(database.dsn(role))
    try:
        assert await connection.fetchval("SELECT current_user") == f"approvalflow_{role}"
        assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    finally:
        await connection.close()


async def test_the_database_is_durable(database: stack.Database) -> None:
    connection = await asyncpg.connect(database.dsn())
    try:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await connection.fetchval(f"SHOW {setting}") == "on"
    finally:
        await connection.close()


async def test_audit_entries_cannot_be_changed_by_the_service_that_writes_them(database: stack.Database) -> None:
    connection = await asyncpg.connect(database.dsn("audit_fanout"))
    try:
        for statement in ("UPDATE audit.entry SET body = ''", "DELETE FROM audit.entry", "TRUNCATE audit.entry"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_what_is_acknowledged_is_read_back(broker: stack.Log, topics: list[str]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", enable_idempotence=broker.idempotent)
    consumer = AIOKafkaConsumer(
        topics[0], bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", group_id="stack"
    )
    await producer.start()
    await consumer.start()
    try:
        sent = await producer.send_and_wait(topics[0], b"value", key=b"key", headers=[("ce_id", b"1")])
        record = await consumer.getone()
        assert (record.partition, record.offset) == (sent.partition, sent.offset)
        assert (record.key, record.value, record.headers) == (b"key", b"value", (("ce_id", b"1"),))
    finally:
        await consumer.stop()
        await producer.stop()


async def test_topics_can_be_made_empty_again(broker: stack.Log, topics: list[str]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", enable_idempotence=broker.idempotent)
    await producer.start()
    try:
        await producer.send_and_wait(topics[0], b"left behind", partition=0)
        await stack.fresh_topics(broker.bootstrap, PARTITIONS)
        consumer = AIOKafkaConsumer(topics[0], bootstrap_servers=broker.bootstrap)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(sorted(consumer.assignment()))
        finally:
            await consumer.stop()
        assert len(ends) == PARTITIONS
        assert set(ends.values()) == {0}
    finally:
        await producer.stop()
