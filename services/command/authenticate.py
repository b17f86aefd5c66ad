"""Who is speaking on each channel. Which key verifies follows from the channel and the configuration."""

from urllib.parse import parse_qsl, urlsplit

import asyncpg
from cryptography.fernet import InvalidToken, MultiFernet
from starlette.requests import Request

from services.command import store
from services.command.settings import CommandSettings
from shared import tokens
from shared.clock import now
from shared.contracts.base import Caller, Channel, Licence
from shared.keys import KeySource
from shared.tokens import Principal, Unauthenticated


class Authenticator:
    """Verifies requests; each method raises ``Unauthenticated`` for whatever it does not accept."""

    def __init__(
        self,
        settings: CommandSettings,
        pool: asyncpg.Pool,
        fernet: MultiFernet,
        forge: KeySource,
        installs: KeySource,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._fernet = fernet
        self._forge = forge
        self._installs = installs
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
        token = _connect_token(request)
        client_key = tokens.peek(token, 1, "iss")
        tenant = await store.tenant(self._pool, client_key) if "\x00" not in client_key else None
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
            path=self._path(request),
            query=request.url.query,
            now=now(),
            environment=self._settings.connect_environment,
            skew=self._settings.token_skew_seconds,
        )

    async def install(self, request: Request, client_key: str) -> None:
        """The vendor, telling of an install or its end; a known client key is not excused from it."""
        token = _connect_token(request)
        tokens.verify_install(
            token,
            await self._installs.keys_for(token),
            client_key=client_key,
            audience=self._settings.base_url,
            method=request.method,
            path=self._path(request),
            query=request.url.query,
            now=now(),
            skew=self._settings.token_skew_seconds,
        )

    def data_center(self, request: Request, body: bytes) -> Principal:
        """A Data Center site named in ``?site=``, by the secret of its webhook."""
        site_id = request.query_params.get("site", "")
        secrets = [secret.get_secret_value() for secret in self._settings.data_center_sites.get(site_id, ())]
        tokens.verify_hub_signature(secrets, body, request.headers.get("x-hub-signature", ""))
        caller = Caller(
            channel=Channel.DATA_CENTER,
            environment=self._settings.connect_environment,
            licence=Licence.UNKNOWN,
            app=True,
        )
        return Principal(site_id, caller, "", now())

    def app_of(self, channel: Channel) -> Caller:
        """The caller of a lifecycle message, which carries no licence."""
        return Caller(channel=channel, environment=self._settings.connect_environment, licence=Licence.UNKNOWN, app=True)

    def _path(self, request: Request) -> str:
        raw = request.scope.get("raw_path") or request.url.path.encode()
        return str(raw.partition(b"?")[0].decode("latin-1")).removeprefix(self._base_path)


def _credentials(request: Request, scheme: str) -> str:
    said, _, value = request.headers.get("authorization", "").partition(" ")
    if said.lower() != scheme or not value:
        raise Unauthenticated
    return value.strip()


def _connect_token(request: Request) -> str:
    if "authorization" in request.headers:
        return _credentials(request, "jwt")
    for name, value in parse_qsl(request.url.query):
        if name == "jwt":
            return value
    raise Unauthenticated
