"""The command service as it runs, with what a test needs to see of the log."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.command.settings import Settings
from services.command.wiring import build
from services.local.issuer import LocalIssuer
from shared.clock import now
from shared.contracts.envelope import Envelope, headers, parse
from shared.contracts.reasons import DESCRIPTION, Reason
from shared.contracts.replies import Outcome
from shared.contracts.topics import INTAKE, REPLIES
from tests.stack import Database
from tests.stack import Log as Broker

BASE_URL = "http://command.test"
DEFINITION: dict[str, Any] = {
    "name": "Review",
    "steps": [{"name": "one", "approvers": [{"kind": "account", "id": "712020:ann"}], "rule": {"kind": "all"}}],
}
DECISION = {"page_version": 3, "verdict": "approve"}


class Log:
    """``intake.v1`` from when it was opened on, and a place to put replies."""

    def __init__(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        self._consumer = consumer
        self._producer = producer
        self._partitions = sorted(consumer.assignment())

    async def positions(self) -> dict[TopicPartition, int]:
        """The end of each partition."""
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(self._partitions)
        return found

    async def next(self, count: int = 1, seconds: float = 20) -> list[tuple[bytes, Envelope]]:
        """The next records with their keys."""
        found: list[tuple[bytes, Envelope]] = []
        deadline = time.monotonic() + seconds
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} records"
            polled = await self._consumer.getmany(timeout_ms=200)
            found += [(r.key, parse(INTAKE, r.value, tuple(r.headers))) for records in polled.values() for r in records]
        assert len(found) == count
        return found

    async def skip(self) -> None:
        """Forget what was published until now."""
        await self._consumer.seek_to_end(*self._partitions)
        for partition in self._partitions:
            await self._consumer.position(partition)

    async def reply(self, outcome: Outcome, partition: int = 0) -> None:
        """Answer as ``decision`` does."""
        named = headers(Outcome, UUID(outcome.command_id), now(), "approvalflow/decision")
        await self._producer.send_and_wait(
            REPLIES.name,
            outcome.model_dump_json().encode(),
            key=b"k",
            partition=partition,
            headers=named,
        )

    async def send_junk(self) -> None:
        """A reply that nobody can read."""
        await self._producer.send_and_wait(REPLIES.name, b"{", partition=0, headers=[("ce_type", b"\xff")])


@dataclass
class Service:
    """The service, its log and who signs for it."""

    client: httpx.AsyncClient
    log: Log
    issuer: LocalIssuer
    settings: Settings

    async def post(
        self, path: str, body: Any, account: str | None = "712020:ann", site: str = "site-one", **options: Any
    ) -> httpx.Response:
        """A command by Forge token."""
        return await self.send("POST", path, body, account, site, **options)

    async def send(
        self,
        method: str,
        path: str,
        body: Any,
        account: str | None = "712020:ann",
        site: str = "site-one",
        *,
        key: str | None = "key-1",
        token: str | None = None,
        licence: Any = "active",
        extra: dict[str, str] | None = None,
    ) -> httpx.Response:
        """A command by Forge token, whatever its body is."""
        token = token if token is not None else self.issuer.forge(site, account, licence)
        named = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {}) | (extra or {})
        content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        return await self.client.request(method, path, headers=named, **content)


def settings_for(database: Database, broker: Broker, issuer: LocalIssuer) -> Settings:
    """The service on this database and this broker, trusting this issuer."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in issuer.environment().items():
            patch.setenv(name, value)
        return Settings(
            database=database.dsn("command"),
            kafka=broker.bootstrap,
            kafka_idempotent=broker.idempotent,
            partitions=4,
            base_url=BASE_URL,
            console_url="https://console.example",
        )


def problem(response: httpx.Response, reason: Reason, field: str | None = None, status: int | None = None) -> None:
    """It is a problem document with this reason."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    said = response.json()
    assert response.status_code == said["status"] == (status or DESCRIPTION[reason][0])
    assert (said["reason"], said["type"]) == (reason, f"https://approvalflow.example/problems/{reason}")
    assert said["title"]
    assert said["detail"]
    if field is not None:
        assert said["field"] == field


async def forge_hook(service: Service, site: str = "site-one", **changes: Any) -> httpx.Response:
    """A page event by Forge token."""
    body = {
        "eventType": "avi:confluence:updated:page",
        "atlassianId": "712020:ann",
        "eventCreatedDate": now().isoformat(),
        "content": {
            "id": "31337",
            "type": "page",
            "title": "Travel",
            "space": {"id": 4711, "key": "POL"},
            "version": {"number": 3},
        },
    } | changes
    token = service.issuer.forge(site)
    return await service.client.post("/webhooks/forge", json=body, headers={"Authorization": f"Bearer {token}"})


@asynccontextmanager
async def running(settings: Settings, issuer: LocalIssuer) -> AsyncIterator[Service]:
    """Everything started, and stopped at the end."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, auto_offset_reset="latest", enable_auto_commit=False, fetch_max_wait_ms=20
    )
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)
    consumer.assign([TopicPartition(INTAKE.name, n) for n in range(settings.partitions)])
    await asyncio.gather(consumer.start(), producer.start())
    try:
        async with build(settings) as app:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
                service = Service(client, Log(consumer, producer), issuer, settings)
                await service.log.skip()
                yield service
    finally:
        await asyncio.gather(consumer.stop(), producer.stop())
