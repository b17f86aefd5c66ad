"""Who is speaking on the channels that only this service has: Connect installs and Data Center webhooks."""

import httpx
from cryptography.fernet import MultiFernet
from starlette.requests import Request

from services.command.settings import Settings
from shared import tokens
from shared.callers import Callers, Lookup, connect_token
from shared.clock import now
from shared.contracts.base import Caller, Channel, Licence
from shared.keys import KeySource
from shared.tokens import Principal


class Authenticator(Callers):
    """Verifies requests; each method raises ``Unauthenticated`` for whatever it does not accept."""

    _settings: Settings

    def __init__(
        self,
        settings: Settings,
        tenant: Lookup,
        fernet: MultiFernet,
        client: httpx.AsyncClient,
    ) -> None:
        super().__init__(settings, tenant, fernet, client)
        self._installs = KeySource(settings.connect_install_keys, client)

    async def install(self, request: Request, client_key: str) -> None:
        """The vendor, telling of an install or its end; a known client key is not excused from it."""
        token = connect_token(request)
        tokens.verify_install(
            token,
            await self._installs.keys_for(token),
            client_key=client_key,
            audience=self._settings.base_url,
            method=request.method,
            path=self.path(request),
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
