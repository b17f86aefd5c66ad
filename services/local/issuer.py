"""Signs what Atlassian would sign, for running on one machine: keys made once, and kept in the state directory.

``environment`` hands the services the public halves, so that locally the same code verifies as anywhere else.
"""

import json
import secrets
import uuid
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.jwk import KeySetSerialization, OctKey

from services.local.keys import Secrets, public, signing_key
from shared import tokens
from shared.clock import now

FORGE_LIFETIME = 25.0
"""Seconds a Forge token lives, as Atlassian's do."""
CONNECT_LIFETIME = 180.0
IDENTITY_LIFETIME = 900.0
"""Seconds an ID token of the local provider lives."""
PROVIDER = "http://127.0.0.1:8085"
"""Where the local provider listens, unless it is told otherwise."""
OIDC_CLIENT = "approvalflow-console"
LicenceSaid = Literal["active", "inactive", "none"]


class LocalIssuer:
    """Mints tokens and signatures for local sites. ``provider`` is the address of the local OpenID Connect provider."""

    def __init__(self, directory: Path, kept: Secrets, provider: str) -> None:
        self.provider = provider
        self._directory = directory
        self._kept = kept
        self._forge, self._installs, self._identity = (signing_key(directory, name) for name in ("forge", "installs", "identity"))

    @classmethod
    def load_or_create(
        cls, state_dir: Path, data_center_sites: tuple[str, ...] = ("local-dc",), provider: str = PROVIDER,
    ) -> Self:
        """What the directory holds, made first if it holds nothing; the files are for their owner alone."""
        directory = state_dir / "issuer"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(directory, Secrets.load_or_create(directory / "secrets.json", data_center_sites), provider)

    @property
    def app(self) -> str:
        """The app's ARI, which Forge tokens are for."""
        return self._kept.app

    @property
    def client_key(self) -> str:
        """The client key of the local Connect tenant; it must be installed before its tokens are accepted."""
        return self._kept.client_key

    @property
    def connect_secret(self) -> str:
        """The secret that the local Connect tenant's install brings."""
        return self._kept.connect_secret

    @property
    def sign_in_password(self) -> str:
        """What the local provider asks of whoever signs in, as anyone."""
        return self._kept.sign_in_password

    @property
    def oidc_client_secret(self) -> str:
        """The secret that the console proves itself to the provider with."""
        return self._kept.oidc_client_secret

    @property
    def identity_keys(self) -> KeySetSerialization:
        """The key set that ID tokens are verified with."""
        return public(self._identity)

    def environment(self) -> dict[str, str]:
        """Settings for the services that verify."""
        sites = {site: [secret] for site, secret in self._kept.data_center_sites.items()}
        return {
            "APPROVALFLOW_FORGE_APP": self._kept.app,
            "APPROVALFLOW_FORGE_JWKS": str(self._directory / "forge.jwks"),
            "APPROVALFLOW_CONNECT_INSTALL_KEYS": str(self._directory / "installs.jwks"),
            "APPROVALFLOW_ENCRYPTION_KEY": self._kept.encryption_key,
            "APPROVALFLOW_DATA_CENTER_SITES": json.dumps(sites),
            "APPROVALFLOW_OIDC_ISSUER": self.provider,
            "APPROVALFLOW_OIDC_CLIENT_ID": OIDC_CLIENT,
            "APPROVALFLOW_OIDC_CLIENT_SECRET": self._kept.oidc_client_secret,
        }

    def forge(
        self,
        site: str,
        account: str | None = None,
        licence: LicenceSaid = "active",
        environment: str = "production",
        lifetime: float = FORGE_LIFETIME,
    ) -> str:
        """A Forge invocation token; without an account the app itself speaks. ``lifetime`` in seconds."""
        issued = int(now().timestamp())
        app: dict[str, Any] = {
            "id": self._kept.app,
            "version": "1",
            "environment": {"type": environment.upper()},
            "installationId": f"ari:cloud:ecosystem::installation/{uuid.uuid5(uuid.NAMESPACE_URL, site)}",
        }
        if licence != "none":
            app["license"] = {"active": licence == "active"}
        claims: dict[str, Any] = {
            "iss": tokens.FORGE_ISSUER,
            "aud": self._kept.app,
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(lifetime),
            "jti": secrets.token_hex(20),
            "app": app,
            "context": {"cloudId": site},
        }
        if account is not None:
            claims["principal"] = account
        return jwt.encode({"alg": "RS256", "kid": self._forge.kid}, claims, self._forge)

    def identity(
        self, site: str, account: str, operator: bool = False, lifetime: float = IDENTITY_LIFETIME, nonce: str | None = None,
    ) -> str:
        """An ID token of the local provider for the console; ``lifetime`` in seconds."""
        issued = int(now().timestamp())
        claims: dict[str, Any] = {
            "iss": self.provider,
            "aud": OIDC_CLIENT,
            "sub": account,
            "iat": issued,
            "exp": issued + int(lifetime),
            "site_id": site,
            "roles": ["operator"] if operator else [],
            "name": account,
        }
        if nonce is not None:
            claims["nonce"] = nonce
        return jwt.encode({"alg": "RS256", "kid": self._identity.kid}, claims, self._identity)

    def connect(
        self,
        account: str | None,
        method: str,
        path_with_query: str,
        lifetime: float = CONNECT_LIFETIME,
    ) -> str:
        """A token of the local Connect tenant for one request; the path is relative to the app's base URL."""
        claims = self._bound(self._kept.client_key, method, path_with_query, lifetime)
        if account is not None:
            claims["sub"] = account
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self._kept.connect_secret))

    def install(self, base_url: str, path_with_query: str, lifetime: float = CONNECT_LIFETIME) -> str:
        """The vendor's token of an ``installed`` or ``uninstalled`` call of the local tenant."""
        claims = self._bound(self._kept.client_key, "POST", path_with_query, lifetime) | {"aud": [base_url]}
        return jwt.encode({"alg": "RS256", "kid": self._installs.kid}, claims, self._installs)

    def install_body(self, site_url: str = "https://local.example") -> dict[str, str]:
        """The body of the local tenant's ``installed`` call."""
        return {
            "key": "approvalflow",
            "clientKey": self._kept.client_key,
            "sharedSecret": self._kept.connect_secret,
            "baseUrl": site_url,
            "productType": "confluence",
            "eventType": "installed",
        }

    def data_center(self, site: str, body: bytes) -> dict[str, str]:
        """The header that a Data Center site signs this body with."""
        return {"X-Hub-Signature": tokens.hub_signature(self._kept.data_center_sites[site], body)}

    @staticmethod
    def _bound(client_key: str, method: str, path_with_query: str, lifetime: float) -> dict[str, Any]:
        parts, issued = urlsplit(path_with_query), int(now().timestamp())
        return {
            "iss": client_key,
            "iat": issued,
            "exp": issued + int(lifetime),
            "qsh": tokens.query_hash(method, parts.path, parts.query),
        }
