"""Who is calling: the token of a request, verified. Which key verifies follows from the scheme and the configuration."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import httpx
from cryptography.fernet import InvalidToken, MultiFernet
from starlette.requests import Request

from shared import tokens
from shared.clock import now
from shared.identity import verify_identity
from shared.keys import IssuerKeys, KeySource
from shared.settings import CallerSettings
from shared.tokens import Principal, Unauthenticated


@dataclass(frozen=True, slots=True)
class Tenant:
    """A Connect install; its secret as stored."""

    client_key: str
    site_id: str
    encrypted_secret: bytes
    installed: bool


Lookup = Callable[[str], Awaitable[Tenant | None]]
"""The install of a client key, present or past."""


class Callers:
    """Verifies requests; each method raises ``Unauthenticated`` for whatever it does not accept."""

    def __init__(self, settings: CallerSettings, tenant: Lookup, fernet: MultiFernet, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._tenant = tenant
        self._fernet = fernet
        self._forge = KeySource(settings.forge_jwks, client)
        self._provider = IssuerKeys(settings.oidc_issuer, client)
        self._trust = settings.trust()
        self._base_path = urlsplit(settings.base_url).path.rstrip("/")

    async def person_or_app(self, request: Request) -> Principal:
        """A REST caller, by a Forge or a Connect token, or by the ID token that ``console`` hands on."""
        verify = {"jwt": self.connect, "openid": self.identity}.get(scheme(request), self.forge)
        return await verify(request)

    async def identity(self, request: Request) -> Principal:
        """A person whom the OpenID Connect provider vouches for."""
        return await self.person(_credentials(request, "openid"))

    async def person(self, id_token: str) -> Principal:
        """Whom an ID token speaks of."""
        keys = await self._provider.keys_for(id_token)
        return verify_identity(id_token, keys, self._trust, now(), self._settings.token_skew_seconds)

    async def forge(self, request: Request) -> Principal:
        """The bearer of a Forge invocation token."""
        token = _credentials(request, "bearer")
        keys = await self._forge.keys_for(token)
        return tokens.verify_forge(token, keys, self._settings.forge_app, now(), self._settings.token_skew_seconds)

    async def connect(self, request: Request) -> Principal:
        """A Connect tenant, by the secret its install brought."""
        token = connect_token(request)
        client_key = tokens.peek(token, 1, "iss")
        tenant = await self._tenant(client_key) if "\x00" not in client_key else None
        if tenant is None or not tenant.installed:
            raise Unauthenticated
        try:
            secret = self._fernet.decrypt(tenant.encrypted_secret).decode()
        except InvalidToken:
            raise Unauthenticated from None
        return tokens.verify_connect(
            token,
            secret,
            client_key=tenant.client_key,
            site_id=tenant.site_id,
            method=request.method,
            path=self.path(request),
            query=request.url.query,
            now=now(),
            environment=self._settings.connect_environment,
            skew=self._settings.token_skew_seconds,
        )

    def path(self, request: Request) -> str:
        """The path as the caller signed it: relative to the app's base URL, and not decoded."""
        raw = request.scope.get("raw_path") or request.url.path.encode()
        return str(raw.partition(b"?")[0].decode("latin-1")).removeprefix(self._base_path)


def scheme(request: Request) -> str:
    """How a caller says who they are."""
    return request.headers.get("authorization", "").partition(" ")[0].lower()


def connect_token(request: Request) -> str:
    """The Connect token of a request, from its header or, without one, its query."""
    if "authorization" in request.headers:
        return _credentials(request, "jwt")
    for name, value in parse_qsl(request.url.query):
        if name == "jwt":
            return value
    raise Unauthenticated


def _credentials(request: Request, scheme: str) -> str:
    said, _, value = request.headers.get("authorization", "").partition(" ")
    if said.lower() != scheme or not value:
        raise Unauthenticated
    return value.strip(" ")
