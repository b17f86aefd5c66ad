"""What is not signed as its channel wants gets nowhere, and no answer tells which check it failed."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from services.local.issuer import LocalIssuer
from services.local.proof.gather import read_topic
from services.local.supervisor import Stack
from shared.contracts.topics import INTAKE
from tests.e2e.site import ANN, Site, refused

Answer = tuple[int, str, tuple[tuple[str, str], ...]]
RESET = "/v1/approvals/1-1/reset"
MINE = "/v1/me/decisions"
MOVED = "/webhooks/connect/page_moved"


def answer(response: httpx.Response) -> Answer:
    """All that a caller sees, apart from the time of day."""
    return response.status_code, response.text, tuple(sorted(h for h in response.headers.items() if h[0] != "date"))


def encoded(part: object) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=")


def unsigned(claims: dict[str, Any]) -> str:
    """A token that says it needs no signature."""
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."


def forge_tokens(issuer: LocalIssuer, site: str) -> dict[str, str]:
    """Forge tokens, each wrong in one way."""
    good = issuer.forge(site, ANN)
    claims = orjson.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    header = {"alg": "RS256", "kid": issuer._forge.kid}
    public = issuer._forge.as_pem(private=False)
    told = f"{encoded({'alg': 'HS256', 'kid': issuer._forge.kid})}.{encoded(claims)}"
    by_public_key = base64.urlsafe_b64encode(hmac.new(public, told.encode(), hashlib.sha256).digest()).decode().rstrip("=")
    return {
        "forged": jwt.encode(header, claims, RSAKey.generate_key(2048)),
        "changed": f"{good.split('.')[0]}.{encoded(claims | {'principal': 'acc:other'})}.{good.split('.')[2]}",
        "expired": issuer.forge(site, ANN, lifetime=-10),
        "for another app": jwt.encode(header, claims | {"aud": "ari:cloud:ecosystem::app/other"}, issuer._forge),
        "by another issuer": jwt.encode(header, claims | {"iss": "forge/other-token"}, issuer._forge),
        "by an unknown key": jwt.encode(header | {"kid": "unknown"}, claims, issuer._forge),
        "unsigned": unsigned(claims),
        "signed with the public key as a secret": f"{told}.{by_public_key}",
        "of another channel": issuer.connect(ANN, "POST", RESET),
        "no token": "x",
    }


@pytest_asyncio.fixture(scope="module")
async def unauthenticated(system: Stack, client: httpx.AsyncClient) -> dict[str, Answer]:
    """The one answer of each service: that to somebody who brings no token at all."""
    found = {}
    for service, method, path in (("command", "POST", RESET), ("console", "GET", MINE)):
        response = await client.request(method, system.address(service) + path)
        refused(response, 401, "unauthenticated")
        found[service] = answer(response)
    assert found["command"][1] == found["console"][1]
    return found


@pytest_asyncio.fixture(scope="module")
async def tenant(system: Stack, client: httpx.AsyncClient) -> AsyncIterator[str]:
    """The local Connect tenant, installed: its site."""
    path, issuer = "/webhooks/connect/installed", system.issuer
    named = {"Authorization": f"JWT {issuer.install(system.address('command'), path)}"}
    response = await client.post(system.address("command") + path, json=issuer.install_body(), headers=named)
    assert response.status_code == 204, response.text
    yield issuer.client_key


async def on_intake(system: Stack, site: str) -> int:
    """How many records of a site there are."""
    records, _ = await read_topic(system.broker.bootstrap, INTAKE.name)
    return len([r for r in records if r.key.partition(":")[0] == site])


async def ask(system: Stack, client: httpx.AsyncClient, service: str, method: str, path: str, authorization: str) -> httpx.Response:
    """One request that would change or show something."""
    named = {"Authorization": authorization, "Idempotency-Key": "any"}
    return await client.request(method, system.address(service) + path, headers=named, json={} if method == "POST" else None)


async def test_no_doubtful_forge_token_gets_anywhere(site: Site, system: Stack, unauthenticated: dict[str, Answer]) -> None:
    before = await on_intake(system, site.id)
    places = (("command", "POST", RESET), ("command", "POST", "/webhooks/forge"), ("console", "GET", MINE))
    for what, token in forge_tokens(system.issuer, site.id).items():
        for place in places:
            assert answer(await ask(system, site.client, *place, f"Bearer {token}")) == unauthenticated[place[0]], (what, place)
    assert await on_intake(system, site.id) == before
    for account, statuses in ((ANN, [202, 403, 200]), (None, [403, 200, 403])):  # people ask, the app tells
        good = system.issuer.forge(site.id, account)
        assert [(await ask(system, site.client, *place, f"Bearer {good}")).status_code for place in places] == statuses


async def test_a_connect_token_is_good_for_the_one_request_it_was_made_for(
    system: Stack, client: httpx.AsyncClient, tenant: str, unauthenticated: dict[str, Answer],
) -> None:
    issuer = system.issuer
    for service, method, path in (("command", "POST", RESET), ("command", "POST", MOVED), ("console", "GET", MINE)):
        before, claims = await on_intake(system, tenant), issuer._bound(tenant, method, path, 180)
        secret, another = OctKey.import_key(issuer.connect_secret), OctKey.import_key("another-secret-" * 4)
        doubtful = {
            "made for another path": issuer.connect(ANN, method, "/v1/workflows"),
            "made for another method": issuer.connect(ANN, "DELETE", path),
            "made for another query": issuer.connect(ANN, method, f"{path}?lic=active"),
            "expired": issuer.connect(ANN, method, path, lifetime=-10),
            "forged": jwt.encode({"alg": "HS256"}, claims, another),
            "of a tenant that is not there": jwt.encode({"alg": "HS256"}, claims | {"iss": "nobody"}, secret),
            "by another algorithm": jwt.encode({"alg": "HS384"}, claims, secret, algorithms=["HS384"]),
            "unsigned": unsigned(claims),
            "of the vendor's install key": issuer.install(system.address("command"), path),
            "of another channel": issuer.forge(tenant, ANN),
        }
        for what, token in doubtful.items():
            assert answer(await ask(system, client, service, method, path, f"JWT {token}")) == unauthenticated[service], (what, path)
        good = issuer.connect(ANN, method, path)
        assert answer(await ask(system, client, service, method, f"{path}?lic=active", f"JWT {good}")) == unauthenticated[service]
        assert await on_intake(system, tenant) == before
        assert answer(await ask(system, client, service, method, path, f"JWT {good}")) != unauthenticated[service]


async def test_only_the_vendor_installs_and_removes(
    system: Stack, client: httpx.AsyncClient, tenant: str, unauthenticated: dict[str, Answer],
) -> None:
    issuer, before = system.issuer, await on_intake(system, tenant)
    for path in ("/webhooks/connect/installed", "/webhooks/connect/uninstalled"):
        base = system.address("command")
        doubtful = {
            "the tenant's own": issuer.connect(None, "POST", path),
            "for somebody else": issuer.install("https://else.example", path),
            "made for another path": issuer.install(base, "/webhooks/connect/enabled"),
            "expired": issuer.install(base, path, lifetime=-10),
            "unsigned": unsigned(issuer._bound(tenant, "POST", path, 180) | {"aud": [base]}),
        }
        for what, token in doubtful.items():
            body = issuer.install_body() | {"sharedSecret": "an-attackers-secret-of-some-length"}
            response = await client.post(base + path, json=body, headers={"Authorization": f"JWT {token}"})
            assert answer(response) == unauthenticated["command"], (what, path)
    assert await on_intake(system, tenant) == before


async def test_a_data_center_site_signs_its_own_body(system: Stack, client: httpx.AsyncClient, unauthenticated: dict[str, Answer]) -> None:
    body = orjson.dumps({"event": "page_trashed", "page": {"id": 5}, "timestamp": 1})
    good, before = system.issuer.data_center("local-dc", body), await on_intake(system, "local-dc")
    for site, sent, named in (
        ("local-dc", body + b" ", good), ("another-dc", body, good), ("", body, good), ("local-dc", body, {}),
        ("local-dc", body, {"X-Hub-Signature": good["X-Hub-Signature"].upper()}),
        ("local-dc", body, {"X-Hub-Signature": "sha256=" + hashlib.sha256(body).hexdigest()}),
    ):
        address = system.address("command") + "/webhooks/data-center"
        response = await client.post(address, params={"site": site}, content=sent, headers=named)
        assert answer(response) == unauthenticated["command"], site
    assert await on_intake(system, "local-dc") == before


async def test_another_sites_token_finds_nothing_here_and_speaks_for_its_own(site: Site, system: Stack) -> None:
    workflow = await site.workflow({"name": "one", "approvers": [{"kind": "account", "id": ANN}], "rule": {"kind": "any"}})
    approval = await site.submit("5", workflow)
    other = Site(system, site.client, f"{site.id}-other")
    refused(await other.approve(approval, ANN), 404, "not_found")
    for path in (f"/v1/approvals/{approval}", f"/v1/workflows/{workflow}", "/v1/pages/5/approval"):
        assert (await site.read(path, ANN)).status_code == 200
        refused(await other.read(path, ANN), 404, "not_found")
    assert (await site.read(f"/v1/approvals/{approval}")).json()["status"] == "open"

    before = await on_intake(system, site.id)
    body = {"eventType": "avi:confluence:trashed:page", "context": {"cloudId": site.id}, "content": {"id": "5"}}
    named = {"Authorization": f"Bearer {system.issuer.forge(other.id)}"}
    response = await site.client.post(system.address("command") + "/webhooks/forge", json=body, headers=named)
    refused(response, 403, "site_mismatch")
    assert await on_intake(system, site.id) == before
