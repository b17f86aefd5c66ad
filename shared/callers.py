"""Who is calling: the Forge or Connect token of a request, verified. Which key verifies follows from the configuration."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from cryptography.fernet import InvalidToken, MultiFernet
from starlette.requests import Request

from shared import tokens
from shared.clock import now
from shared.keys import KeySource
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

    def __init__(self, settings: CallerSettings, tenant: Lookup, fernet: MultiFernet, forge: KeySource) -> None:
        self._settings = settings
        self._tenant = tenant
        self._fernet = fernet
        self._forge = forge
        self._base_path = urlsplit(settings.base_url).path.rstrip("/")

    async def person_or_app(self, request: Request) -> Principal:
        """A REST caller, by a Forge or a Connect token."""
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        return await (self.connect(request) if scheme == "jwt" else self.forge(request))

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
    return value.strip()
