"""Every role asks for every command: of the service by HTTP, and of ``decision`` as if nobody had asked before it."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio

from services.command.requests import ENDPOINTS, Endpoint
from services.decision.consume import Consumer
from services.decision.engine import Engine
from services.local.child import free_port
from services.local.issuer import LocalIssuer
from services.local.provider import application
from services.local.served import served
from services.rules.authorisation import RULES, Role
from shared.clock import now
from shared.contracts.reasons import Reason
from shared.postgres import connect_pool
from tests.integration.command_stack import Service, problem
from tests.integration.console_data import Data
from tests.integration.console_stack import filling
from tests.integration.roles import Attempt
from tests.integration.test_console import PATHS
from tests.integration.test_decision import Lane, Log
from tests.stack import Database

TABLES = (
    "approvals.page", "approvals.former_approval", "approvals.workflow", "approvals.definition", "approvals.assignment",
    "directory.space", "directory.member_group", "directory.group_member", "directory.site",
)
NAMED = [pytest.param(endpoint, id=f"{endpoint.method} {endpoint.path}") for endpoint in ENDPOINTS]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> LocalIssuer:
    """Who signs for a Forge app, and for the provider that operators sign in with."""
    return LocalIssuer.load_or_create(tmp_path_factory.mktemp("state"), provider=f"http://127.0.0.1:{free_port()}")


@pytest_asyncio.fixture(scope="module")
async def provider(issuer: LocalIssuer) -> AsyncIterator[None]:
    """It listens."""
    async with served(application(issuer, "http://console.test"), issuer.provider):
        yield


@pytest_asyncio.fixture(scope="module")
async def data(database: Database) -> AsyncIterator[Data]:
    """What is stored."""
    async with filling(database) as filled:
        yield filled


@pytest_asyncio.fixture(scope="module")
async def decision(database: Database) -> AsyncIterator[Consumer]:
    """What decides, on the database."""
    log = Log()
    async with await connect_pool(database.dsn("decision"), 4, "test") as pool:
        yield Consumer(pool, Engine(pool, timedelta(hours=24), 5), log, log.commit)  # type: ignore[arg-type]


def attempts(endpoint: Endpoint) -> Iterator[tuple[Attempt, Reason | None]]:
    """One by each role, and why it must be refused, or None."""
    for role in Role:
        attempt = Attempt.of(endpoint, role)
        yield attempt, RULES[type(attempt.command())].refusal(role)


async def stored(data: Data, site: str) -> list[Any]:
    """Everything known of a site but what became of commands."""
    found = [await data._db.fetch(f"SELECT to_jsonb(t) AS row FROM {table} t WHERE site_id = $1 ORDER BY 1", site) for table in TABLES]
    return [[record["row"] for record in rows] for rows in found]


def told_early(attempt: Attempt, reason: Reason | None) -> Reason | None:
    """What the service says at once; what it cannot be certain of it leaves to ``decision``."""
    unknown_here = attempt.role is Role.ELSEWHERE and attempt.endpoint.by == "person"
    return None if unknown_here or reason in {Reason.NOT_FOUND, Reason.FACTS_STALE} else reason


def test_the_table_has_every_command_that_can_be_asked_for() -> None:
    asked = {type(Attempt.of(endpoint, Role.STRANGER).command()) for endpoint in ENDPOINTS}
    assert asked == set(RULES)
    for rule in RULES.values():
        assert not rule.may & rule.stale
        assert Role.ELSEWHERE not in rule.may | rule.stale


def test_every_read_is_tried_from_another_site() -> None:
    """Beside its own tests, where a caller finds nothing of a site that is not theirs."""
    document = orjson.loads(Path("docs/openapi-console.json").read_bytes())
    reads = [path for path, operations in document["paths"].items() if "get" in operations]
    assert [path for path in reads if not any(re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", path), tried) for tried in PATHS)] == []


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("endpoint", NAMED)
async def test_the_service_lets_pass_whom_the_table_does(service: Service, data: Data, issuer: LocalIssuer, endpoint: Endpoint) -> None:
    passed, before = 0, sum((await service.log.positions()).values())
    for attempt, reason in attempts(endpoint):
        await attempt.prepare(data, now())
        told, as_it_was = told_early(attempt, reason), await stored(data, attempt.site)
        named = {"Authorization": attempt.authorization(issuer), "Idempotency-Key": "k"}
        response = await service.client.request(endpoint.method, attempt.path, json=attempt.body(), headers=named)
        if told is None:
            assert response.status_code == 202, (attempt.role, response.text)
            passed += 1
        else:
            problem(response, told)
        assert await stored(data, attempt.site) == as_it_was
    assert 0 < passed < len(Role)
    assert sum((await service.log.positions()).values()) == before + passed


@pytest.mark.parametrize("endpoint", NAMED)
async def test_what_decides_applies_what_the_table_lets_and_nothing_else(data: Data, decision: Consumer, endpoint: Endpoint) -> None:
    for attempt, reason in attempts(endpoint):
        await attempt.prepare(data, now())
        as_it_was, command, command_id = await stored(data, attempt.site), attempt.command(), uuid4()
        await decision.handle([Lane(command.site_id).record(command, command_id)])
        outcome = await data._db.fetchrow("SELECT reason FROM approvals.outcome WHERE command_id = $1", command_id)
        assert outcome is not None
        assert outcome["reason"] == reason, attempt.role
        changed = await stored(data, attempt.site) != as_it_was
        assert changed == (reason is None and endpoint.by != "operator"), attempt.role
