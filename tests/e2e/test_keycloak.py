"""Whoever signs in at a real provider is who the system takes them for."""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from services.local.issuer import OIDC_CLIENT
from shared.clock import now
from shared.contracts.base import Environment
from shared.identity import Trust, verify_identity
from shared.keys import KeySource
from tests.e2e import keycloak
from tests.e2e.keycloak import OPERATORS, SITE, Keycloak
from tests.waiting import until

pytestmark = pytest.mark.timeout(600)  # the first test fetches and starts it
CONSOLE = "http://127.0.0.1:1"
CALLBACK = f"{CONSOLE}/signin/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
ASKED = {
    "client_id": OIDC_CLIENT, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid profile", "state": "s", "nonce": "n",
    "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}
REDEEMED = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}


@pytest_asyncio.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Keycloak]:
    keycloak.needed()
    async with keycloak.running(tmp_path_factory.mktemp("keycloak"), CONSOLE) as running:
        yield running


@dataclass
class Visit:
    """One browser at the provider."""

    http: httpx.AsyncClient
    server: Keycloak
    configuration: dict[str, Any]

    async def ask(self, **changes: str) -> httpx.Response:
        """Ask for a code; an empty change leaves that out."""
        asked = {name: value for name, value in (ASKED | changes).items() if value}
        return await self.http.get(self.configuration["authorization_endpoint"], params=asked)

    async def code(self, account: str) -> str:
        """A code, by logging in."""
        return said(await self.server.log_in(self.http, await self.ask(), account))["code"]

    async def redeem(self, code: str, **changes: str) -> httpx.Response:
        """What the console does with a code."""
        auth = (OIDC_CLIENT, self.server.client_secret)
        return await self.http.post(self.configuration["token_endpoint"], data=REDEEMED | {"code": code} | changes, auth=auth)


@pytest_asyncio.fixture
async def visit(server: Keycloak) -> AsyncIterator[Visit]:
    async with keycloak.browser() as http:
        configuration = (await http.get(f"{server.issuer}/.well-known/openid-configuration")).json()
        yield Visit(http, server, configuration)


def said(answer: httpx.Response) -> dict[str, str]:
    """What a redirect to the console brings."""
    assert answer.status_code in {302, 303}, answer.text
    to = httpx.URL(answer.headers["location"])
    assert str(to.copy_with(query=None)) == CALLBACK
    return dict(to.params)


@pytest.mark.parametrize("account", OPERATORS)
async def test_who_signs_in_there_is_known_here(visit: Visit, account: str) -> None:
    code = await visit.code(account)
    token = (await visit.redeem(code)).raise_for_status().json()["id_token"]
    keys = await until(lambda: KeySource(visit.configuration["jwks_uri"], visit.http).keys_for(token))
    trust = Trust(visit.server.issuer, OIDC_CLIENT, "site_id", "sub", "roles", Environment.PRODUCTION)
    principal = verify_identity(token, keys, trust, now())
    assert (principal.site_id, principal.caller.account_id, principal.operator) == (SITE, account, OPERATORS[account])
    claims = orjson.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["nonce"] == "n"
    assert 600 < claims["exp"] - claims["iat"] <= 900  # both are read from a clock that goes on; unasked, it gives 300
    assert said(await visit.ask(prompt="none"))["code"]


async def test_nobody_signs_in_there_without_a_proof_key(visit: Visit) -> None:
    assert said(await visit.ask(code_challenge="", code_challenge_method=""))["error"] == "invalid_request"
    answer = await visit.redeem(await visit.code("ann"), code_verifier="w" * 43)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_browser_it_does_not_know_has_to_log_in(visit: Visit) -> None:
    assert said(await visit.ask(prompt="none"))["error"] == "login_required"
