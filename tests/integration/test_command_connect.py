"""A Connect tenant of the command service: its install, its removal, and what its tokens are good for."""

from typing import Any

import asyncpg
import httpx
import pytest

from shared.clock import now
from shared.contracts.base import Licence
from shared.contracts.facts import AppChanged, PageChanged
from shared.contracts.reasons import Reason
from tests.integration.command_stack import BASE_URL, DEFINITION, Service, problem
from tests.stack import Database

pytestmark = pytest.mark.usefixtures("fresh")


async def install(service: Service, path: str = "/webhooks/connect/installed", **changes: Any) -> httpx.Response:
    token = changes.pop("token", None) or service.issuer.install(BASE_URL, path)
    return await service.client.post(path, json=service.issuer.install_body() | changes, headers={"Authorization": f"JWT {token}"})


async def connect(service: Service, method: str, path: str, body: Any, account: str | None = "acc-1", **extra: str) -> httpx.Response:
    token = service.issuer.connect(account, method, path)
    return await service.client.request(method, path, json=body, headers={"Authorization": f"JWT {token}"} | extra)


async def test_a_connect_tenant_from_install_to_removal(service: Service, database: Database) -> None:
    moved = {"page": {"id": 7, "version": 2}, "timestamp": int(now().timestamp() * 1000)}
    problem(await connect(service, "POST", "/webhooks/connect/page_moved", moved), Reason.UNAUTHENTICATED)
    assert (await install(service)).status_code == 204
    [(key, envelope)] = await service.log.next()
    site = service.issuer.client_key
    assert (key.decode(), isinstance(envelope.data, AppChanged)) == (site, True)
    connection = await asyncpg.connect(database.dsn())
    stored = bytes(await connection.fetchval("SELECT encrypted_secret FROM command.connect_tenant"))
    await connection.close()
    assert service.issuer.connect_secret.encode() not in stored

    assert (await connect(service, "POST", "/webhooks/connect/page_moved?lic=active", moved)).status_code == 204
    [(key, envelope)] = await service.log.next()
    assert isinstance(envelope.data, PageChanged)
    assert (key.decode(), envelope.data.caller.licence) == (f"{site}:7", Licence.ACTIVE)

    assert (await install(service, "/webhooks/connect/uninstalled")).status_code == 204
    problem(await connect(service, "POST", "/webhooks/connect/page_moved", moved), Reason.UNAUTHENTICATED)


async def test_a_reinstall_must_be_signed_too(service: Service) -> None:
    assert (await install(service)).status_code == 204
    by_tenant = service.issuer.connect("acc-1", "POST", "/webhooks/connect/installed")
    other_path = service.issuer.install(BASE_URL, "/webhooks/connect/uninstalled")
    other_audience = service.issuer.install("https://else.example", "/webhooks/connect/installed")
    await service.log.next()
    before = await service.log.positions()
    for token in (by_tenant, other_path, other_audience):
        problem(await install(service, token=token, sharedSecret="attacker-secret-0123456789"), Reason.UNAUTHENTICATED)
    problem(await install(service, clientKey="someone-else"), Reason.UNAUTHENTICATED)
    assert await service.log.positions() == before
    moved = {"page": {"id": 7}, "timestamp": int(now().timestamp() * 1000)}
    assert (await connect(service, "POST", "/webhooks/connect/page_moved", moved)).status_code == 204


async def test_a_connect_token_is_good_for_its_own_request_only(service: Service) -> None:
    assert (await install(service)).status_code == 204
    token = service.issuer.connect("acc-1", "POST", "/v1/workflows")
    for method, path in (
        ("POST", "/v1/approvals/1-1/reset"),
        ("POST", "/v1/workflows?lic=active"),
        ("PUT", "/v1/workflows/x"),
    ):
        found = await service.client.request(method, path, headers={"Authorization": f"JWT {token}", "Idempotency-Key": "k"})
        problem(found, Reason.UNAUTHENTICATED)
    body = {"space_id": "4711", "definition": DEFINITION}
    created = await connect(service, "POST", "/v1/workflows?lic=active", body, **{"Idempotency-Key": "k"})
    assert created.status_code == 202, created.text
