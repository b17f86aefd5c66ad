"""Connect installs: where tenants and their secrets come from. Only the vendor's install keys can sign these."""

from dataclasses import dataclass
from typing import Annotated, TypeVar
from uuid import NAMESPACE_URL, uuid5

from cryptography.fernet import MultiFernet
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from starlette.requests import Request

from services.command import store
from services.command.authenticate import Authenticator
from services.command.database import Database
from services.command.domain import Translation, translated
from services.command.tenants import Tenants
from shared.clock import now
from shared.contracts.base import Channel, SiteId
from shared.contracts.facts import AppChanged
from shared.problems import malformed

_SITE: TypeAdapter[str] = TypeAdapter(SiteId)
_ClientKey = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]


class Removed(BaseModel):
    """Whose install ended; the rest of the body is not looked at."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    client_key: _ClientKey = Field(alias="clientKey")


class Installed(Removed):
    """Whose install this is, where, and the secret it will sign with."""

    shared_secret: str = Field(alias="sharedSecret", min_length=16, max_length=1024)
    base_url: AnyHttpUrl = Field(alias="baseUrl")


M = TypeVar("M", bound=Removed)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What installs need; made once, in the wiring."""

    authenticator: Authenticator
    database: Database
    tenants: Tenants
    fernet: MultiFernet

    async def installed(self, request: Request) -> Translation:
        """Keep the tenant's new secret: also after an upgrade, a rotation or a change of address."""
        tenant = _read(Installed, await request.body())
        await self.authenticator.install(request, tenant.client_key)
        secret = self.fernet.encrypt(tenant.shared_secret.encode())
        async with self.database.connection() as db:
            site = await store.install(db, tenant.client_key, site_of(tenant.client_key), secret, str(tenant.base_url))
        self.tenants.forget(tenant.client_key)
        return self._changed(site, "installed")

    async def uninstalled(self, request: Request) -> Translation:
        """Accept no more of this tenant's tokens."""
        tenant = _read(Removed, await request.body())
        await self.authenticator.install(request, tenant.client_key)
        async with self.database.connection() as db:
            site = await store.uninstall(db, tenant.client_key)
        self.tenants.forget(tenant.client_key)
        return Translation("app_uninstalled") if site is None else self._changed(site, "uninstalled")

    def _changed(self, site: str, change: str) -> Translation:
        caller = self.authenticator.app_of(Channel.CONNECT)
        fields = {"site_id": site, "caller": caller, "change": change}
        return translated(f"app_{change}", AppChanged, None, now(), fields)


def _read(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise malformed(error) from None


def site_of(client_key: str) -> str:
    """The site of a client key: the key itself where it can be one, else an id derived from it."""
    try:
        return _SITE.validate_python(client_key)
    except ValidationError:
        return str(uuid5(NAMESPACE_URL, f"connect:{client_key}"))
