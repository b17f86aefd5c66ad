"""The command service without its database, and with more on the log than ``decision`` can take."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from pydantic import SecretStr

from services.command.settings import Settings
from services.local.issuer import LocalIssuer
from shared.contracts.reasons import Reason
from tests.gate import Gate, opened
from tests.integration.command_stack import DECISION, Service, forge_hook, problem, running
from tests.integration.test_command_connect import connect, install
from tests.stack import Database
from tests.waiting import until

REST, SECONDS = 0.3, 0.5
DECISIONS = "/v1/approvals/5-1/decisions"
MOVED = {"page": {"id": 7, "version": 2}}


@pytest.fixture
async def gate(database: Database) -> AsyncIterator[Gate]:
    """The way to the database."""
    parts = urlsplit(database.dsn("command"))
    async with opened(parts.hostname or "127.0.0.1", parts.port or 5432) as gate:
        yield gate


def through(gate: Gate, database: Database) -> SecretStr:
    """The database's address, by way of the gate."""
    parts = urlsplit(database.dsn("command"))
    return SecretStr(urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{gate.port}")))


@pytest.fixture
async def behind(settings: Settings, database: Database, issuer: LocalIssuer, gate: Gate, fresh: None) -> AsyncIterator[Service]:
    """The service, with its database behind the gate."""
    changed = {"database": through(gate, database), "database_seconds": SECONDS, "database_rest_seconds": REST}
    async with running(settings.model_copy(update=changed), issuer) as started:
        yield started


async def shut(gate: Gate) -> None:
    await gate.shut()


async def silent(gate: Gate) -> None:
    gate.silent()


GONE = pytest.mark.parametrize("gone", [shut, silent])


async def database_is(service: Service, there: bool) -> None:
    """Wait until the service sees it so."""

    async def seen() -> bool:
        ready = await service.client.get("/health/ready")
        assert ready.status_code == httpx.codes.OK  # it is ready without
        return ready.json()["database"] is there

    await until(seen, 10)


async def decide(service: Service, key: str, **changes: Any) -> str:
    response = await service.post(DECISIONS, DECISION | changes, key=key)
    assert response.status_code == 202, response.text
    return str(response.json()["command_id"])


@GONE
async def test_a_key_is_the_same_command_before_during_and_after(behind: Service, gate: Gate, gone: Callable[[Gate], Any]) -> None:
    before = await decide(behind, "before")
    await gone(gate)
    assert await decide(behind, "before") == before
    during = await decide(behind, "during")
    # Nothing says now that this key came with something else: decision will, by giving it the first one's outcome.
    assert await decide(behind, "during", page_version=4) == during != before
    assert (await forge_hook(behind)).status_code == 204
    await behind.log.next(5)

    await gate.open()
    await database_is(behind, True)
    assert [await decide(behind, key) for key in ("before", "during")] == [before, during]
    other = DECISION | {"page_version": 4}
    for key in ("before", "during"):
        problem(await behind.post(DECISIONS, other, key=key), Reason.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")


async def test_it_starts_without(settings: Settings, issuer: LocalIssuer, gate: Gate, database: Database, fresh: None) -> None:
    await gate.shut()
    async with running(settings.model_copy(update={"database": through(gate, database)}), issuer) as service:
        assert (await forge_hook(service)).status_code == 204
        command = await decide(service, "early")
        await gate.open()
        await database_is(service, True)
        assert await decide(service, "early") == command


async def test_only_the_first_to_notice_waits(behind: Service, gate: Gate) -> None:
    await decide(behind, "one")
    gate.silent()
    began, taken = time.monotonic(), gate.taken
    await decide(behind, "two")
    assert time.monotonic() - began >= SECONDS
    began = time.monotonic()
    await asyncio.gather(*(decide(behind, f"many-{n}") for n in range(200)))
    spent = time.monotonic() - began
    # One tries again after each rest; and whoever tries waits no longer than it may.
    assert gate.taken - taken <= 1 + spent / REST
    await gate.open()
    await database_is(behind, True)


@GONE
async def test_an_install_once_read_is_believed_for_a_while(behind: Service, gate: Gate, gone: Callable[[Gate], Any]) -> None:
    assert (await install(behind)).status_code == 204
    await gone(gate)
    response = await connect(behind, "POST", "/webhooks/connect/page_moved", MOVED)
    problem(response, Reason.UNAVAILABLE)  # an install, or a change of one, is not remembered unread
    assert response.headers["retry-after"] == "1"
    problem(await install(behind), Reason.UNAVAILABLE)

    await gate.open()
    await database_is(behind, True)
    assert (await connect(behind, "POST", "/webhooks/connect/page_moved", MOVED)).status_code == 204
    await gone(gate)
    assert (await connect(behind, "POST", "/webhooks/connect/page_moved", MOVED)).status_code == 204
    forged = {"Authorization": "JWT " + behind.issuer.connect("acc-1", "POST", "/webhooks/connect/other")}
    answer = await behind.client.post("/webhooks/connect/page_moved", json=MOVED, headers=forged)
    problem(answer, Reason.UNAUTHENTICATED)


async def test_an_install_read_long_ago_is_not_believed(
    settings: Settings, issuer: LocalIssuer, database: Database, gate: Gate, fresh: None
) -> None:
    changed = {"database": through(gate, database), "tenant_seconds": 0.0}
    async with running(settings.model_copy(update=changed), issuer) as service:
        assert (await install(service)).status_code == 204
        assert (await connect(service, "POST", "/webhooks/connect/page_moved", MOVED)).status_code == 204
        await gate.shut()
        problem(await connect(service, "POST", "/webhooks/connect/page_moved", MOVED), Reason.UNAVAILABLE)


async def test_beyond_its_bound_nothing_more_is_put_on_the_log(settings: Settings, issuer: LocalIssuer, fresh: None) -> None:
    async with running(settings.model_copy(update={"backlog_limit": 100_000}), issuer) as roomy:
        assert (await forge_hook(roomy)).status_code == 204
    async with running(settings.model_copy(update={"backlog_limit": 1}), issuer) as full:
        async def refused() -> bool:
            return (await forge_hook(full, content={"id": "1", "version": {"number": 1}})).status_code == 503

        await until(refused, 10)
        positions = await full.log.positions()
        for response in (await full.post(DECISIONS, DECISION, key="late"), await forge_hook(full)):
            problem(response, Reason.UNAVAILABLE)
            assert int(response.headers["retry-after"]) == 5
        assert await full.log.positions() == positions
