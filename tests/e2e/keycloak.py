"""A real OpenID Connect provider: Keycloak, out of its own distribution, with a realm made for one console."""

import asyncio
import html
import os
import re
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from services.local import maven
from services.local.child import Child, free_port
from services.local.issuer import OIDC_CLIENT

SITE = "acme"
OPERATORS = {"ann": False, "olga": True}
"""Who can sign in: the account, which is the user name too, and whether it runs the system."""
START_SECONDS = 240
_VERSION = "26.5.6"
_JAVA = (
    "java", "-Xmx400m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("util", "util.concurrent", "security")),
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager", "-Dpicocli.disable.closures=true",
)
"""As its own script says; but that script would stand between this process and the server."""
_ENTRY = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"
_LOG_IN = re.compile(r'<form[^>]* action="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Keycloak:
    """A running server: what the console is told of it, and the one password of everybody in it."""

    issuer: str
    client_secret: str
    password: str
    child: Child

    async def log_in(self, http: httpx.AsyncClient, form: httpx.Response, account: str) -> httpx.Response:
        """Fill in its form, in the ``browser`` that got it; if all is well the answer leads back to the console."""
        action = _LOG_IN.search(form.text)
        assert action is not None, form.text
        return await http.post(html.unescape(action[1]), data={"username": account, "password": self.password})


def browser() -> httpx.AsyncClient:
    """A client that takes loopback for secure, as browsers do, so that it shows the server its cookies again."""
    http = httpx.AsyncClient(timeout=30)

    async def loosen(_answer: httpx.Response) -> None:
        for cookie in http.cookies.jar:
            cookie.secure = False

    http.event_hooks = {"response": [loosen]}
    return http


def needed() -> None:
    """Skip the test where it cannot be had, or fail it where it must."""
    if absent := maven.missing():
        reason = f"NOT TESTED: not here: {', '.join(absent)}, which Keycloak needs"
        (pytest.fail if os.environ.get("APPROVALFLOW_REQUIRE_KAFKA") else pytest.skip)(reason)


@asynccontextmanager
async def running(directory: Path, console: str, lifetime: int = 900) -> AsyncIterator[Keycloak]:
    """A server for the console at this address, for the length of the block; its ID tokens live ``lifetime`` seconds.

    :raises DidNotStart: it did not.
    """
    distribution = await asyncio.to_thread(maven.fetched, "keycloak", _VERSION, "unpack-dependencies", _build)
    home, port = directory / "keycloak", free_port()
    secret, password = secrets.token_urlsafe(24), secrets.token_urlsafe(12)
    (home / "data" / "import").mkdir(parents=True)
    (home / "data" / "import" / "approvalflow-realm.json").write_bytes(orjson.dumps(_realm(console, secret, password, lifetime)))
    for part in ("conf", "lib", "providers", "themes"):
        (home / part).symlink_to(distribution / f"keycloak-{_VERSION}" / part)
    child = Child("keycloak", [
        *_JAVA, f"-Dkc.home.dir={home}", "-cp", home / "lib" / "quarkus-run.jar", _ENTRY, "start", "--optimized", "--import-realm",
        "--http-enabled=true", "--http-host=127.0.0.1", f"--http-port={port}", "--hostname-strict=false",
    ], directory / "keycloak.log")
    server = Keycloak(f"http://127.0.0.1:{port}/realms/approvalflow", secret, password, child)
    try:
        async with httpx.AsyncClient(timeout=5) as http:
            await child.ready(lambda: _answers(http, server.issuer), START_SECONDS)
        yield server
    finally:
        await asyncio.shield(child.stop())


async def _answers(http: httpx.AsyncClient, issuer: str) -> bool:
    """Both that everybody reads first are there; its first answer to anything is slow."""
    try:
        for path in (".well-known/openid-configuration", "protocol/openid-connect/certs"):
            (await http.get(f"{issuer}/{path}")).raise_for_status()
    except httpx.HTTPError:
        return False
    return True


def _build(directory: Path) -> None:
    """What its first start would otherwise do, each time anew: fix what it is made of."""
    script = directory / f"keycloak-{_VERSION}" / "bin" / "kc.sh"
    subprocess.run(["sh", script, "build", "--db=dev-mem", "--cache=local"], check=True, capture_output=True)  # noqa: S603, S607 - ours


def _realm(console: str, secret: str, password: str, lifetime: int) -> dict[str, Any]:
    return {
        "realm": "approvalflow", "enabled": True, "sslRequired": "none", "accessTokenLifespan": lifetime,
        "roles": {"realm": [{"name": "operator"}]},
        "clients": [{
            "clientId": OIDC_CLIENT, "secret": secret, "redirectUris": [f"{console}/signin/callback"],
            "attributes": {"pkce.code.challenge.method": "S256", "post.logout.redirect.uris": f"{console}/*"},
            "protocolMappers": [
                _mapper("site_id", "oidc-usermodel-attribute-mapper", {"user.attribute": "site_id"}),
                _mapper("roles", "oidc-usermodel-realm-role-mapper", {"multivalued": "true"}),
            ],
        }],
        "users": [{
            "id": account, "username": account, "enabled": True, "email": f"{account}@{SITE}.example",
            "firstName": account.title(), "lastName": SITE.title(), "attributes": {"site_id": [SITE]},
            "realmRoles": ["operator"] if operator else [], "credentials": [{"type": "password", "value": password}],
        } for account, operator in OPERATORS.items()],
    }


def _mapper(claim: str, kind: str, more: dict[str, str]) -> dict[str, Any]:
    return {
        "name": claim, "protocol": "openid-connect", "protocolMapper": kind,
        "config": {"claim.name": claim, "id.token.claim": "true", "jsonType.label": "String"} | more,
    }
