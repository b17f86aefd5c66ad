"""The database and the broker that tests run against, and how they are chosen.

In this order: an address given in the environment (``APPROVALFLOW_POSTGRES``, a superuser's; ``APPROVALFLOW_KAFKA``),
a container where Docker answers, a server started from this machine.
"""

import asyncio
import contextlib
import functools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.local.broker import Broker
from services.local.child import free_port
from services.local.postgres import Postgres
from shared.contracts.topics import TOPICS
from shared.kafka import create_topics
from shared.settings import ServiceSettings

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.1.0"


@dataclass(frozen=True, slots=True)
class Database:
    """A database of a server, reached as the superuser or as a service's role."""

    address: str
    name: str = "approvalflow"

    def dsn(self, role: str | None = None, database: str | None = None) -> str:
        """The address for ``role`` (``decision``), or for the superuser."""
        parts = urlsplit(self.address)
        host = parts.netloc.rpartition("@")[2]
        user = parts.netloc.rpartition("@")[0] if role is None else f"approvalflow_{role}"
        return urlunsplit((parts.scheme, f"{user}@{host}", f"/{database or self.name}", parts.query, ""))

    async def create(self, name: str, template: str) -> "Database":
        """A new database that is a copy of ``template``."""
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return Database(self.address, name)

    async def drop(self, name: str) -> None:
        """Remove a database and whoever is connected to it."""
        await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn(database="postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class Log:
    """A broker."""

    bootstrap: str
    idempotent: bool
    kind: str


@functools.cache
def docker_answers() -> bool:
    """Whether containers can be started."""
    from docker.errors import DockerException  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to load
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415

    try:
        DockerClient().client.ping()
    except DockerException:
        return False
    return True


@contextlib.asynccontextmanager
async def postgres_server(directory: Path) -> AsyncIterator[Database]:
    """A PostgreSQL for the length of the block."""
    if given := os.environ.get("APPROVALFLOW_POSTGRES"):
        yield Database(given)
    elif docker_answers():
        with _postgres_container() as address:
            yield Database(address)
    else:
        server = Postgres(directory)
        try:
            await server.start()
            yield Database(server.dsn())
        finally:
            await server.stop()


@contextlib.asynccontextmanager
async def kafka_server(directory: Path) -> AsyncIterator[Log]:
    """A broker for the length of the block."""
    if docker_answers() and not os.environ.get("APPROVALFLOW_KAFKA"):
        with _kafka_container() as bootstrap:
            await _until_it_answers(bootstrap)
            yield Log(bootstrap, True, f"container {KAFKA_IMAGE}")
        return
    broker = Broker(directory)
    try:
        await broker.start()
        yield Log(broker.bootstrap, broker.idempotent, broker.kind)
    finally:
        await broker.stop()


def chosen() -> tuple[str, str]:
    """What the database and the broker will be, for a person."""
    container = docker_answers()
    if os.environ.get("APPROVALFLOW_POSTGRES"):
        database = "given in the environment"
    else:
        database = f"container {POSTGRES_IMAGE}" if container else "the embedded wheel"
    if os.environ.get("APPROVALFLOW_KAFKA"):
        return database, "given in the environment"
    if container:
        return database, f"container {KAFKA_IMAGE}"
    if shutil.which("java") and shutil.which("mvn"):
        return database, "Apache Kafka from its jars"
    return database, "IN MEMORY, which keeps nothing and knows no idempotent producer"


@contextlib.contextmanager
def _postgres_container() -> Iterator[str]:
    from testcontainers.postgres import PostgresContainer  # noqa: PLC0415 - only where Docker is

    container = PostgresContainer(
        POSTGRES_IMAGE, username="postgres", password="postgres", dbname="approvalflow", driver=None
    )
    with container.with_env("POSTGRES_HOST_AUTH_METHOD", "trust") as server:
        yield server.get_connection_url()


@contextlib.contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - only where Docker is

    port = free_port()
    settings = {
        "KAFKA_NODE_ID": "1", "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER", "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    for name, value in settings.items():
        container = container.with_env(name, value)
    with container:
        yield f"127.0.0.1:{port}"


async def _until_it_answers(bootstrap: str) -> None:
    async with asyncio.timeout(60):
        while True:
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
            try:
                await admin.start()
                return
            except (KafkaError, OSError):
                await asyncio.sleep(0.1)
            finally:
                await admin.close()


async def fresh_topics(bootstrap: str, partitions: int) -> list[str]:
    """Every topic, empty, with this many partitions; what consumer groups remembered is gone too."""
    names = [topic.name for topic in TOPICS]
    async with asyncio.timeout(30):
        while not await _made_empty(bootstrap, names, partitions):
            await asyncio.sleep(0.05)
    return names


async def _made_empty(bootstrap: str, names: list[str], partitions: int) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        present = set(await admin.list_topics()) & set(names)
        if present:
            await admin.delete_topics(sorted(present))
        while set(await admin.list_topics()) & set(names):
            await asyncio.sleep(0.05)
        await create_topics(ServiceSettings(kafka=bootstrap), partitions)
        found = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics(names)}
    except KafkaError:  # deletion is done in the background; the caller's deadline ends this
        return False
    finally:
        await admin.close()
    return found == dict.fromkeys(names, partitions)
