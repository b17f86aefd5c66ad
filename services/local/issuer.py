"""Signs what Atlassian would sign, for running on one machine: keys made once, and kept in the state directory.

``environment`` hands the services the public halves, so that locally the same code verifies as anywhere else.
"""

import json
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import orjson
from cryptography.fernet import Fernet
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from shared import tokens
from shared.clock import now

FORGE_LIFETIME = 25.0
"""Seconds a Forge token lives, as Atlassian's do."""
CONNECT_LIFETIME = 180.0
LicenceSaid = Literal["active", "inactive", "none"]


@dataclass(frozen=True, slots=True)
class _Secrets:
    app: str
    client_key: str
    connect_secret: str
    data_center_sites: dict[str, str]
    encryption_key: str
    operator_password: str


class LocalIssuer:
    """Mints tokens and signatures for local sites."""

    def __init__(self, directory: Path, forge: RSAKey, installs: RSAKey, kept: _Secrets) -> None:
        self._directory = directory
        self._forge = forge
        self._installs = installs
        self._kept = kept

    @classmethod
    def load_or_create(cls, state_dir: Path, data_center_sites: tuple[str, ...] = ("local-dc",)) -> Self:
        """What the directory holds, made first if it holds nothing; the files are for their owner alone."""
        directory = state_dir / "issuer"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        forge, installs = _key(directory / "forge.json"), _key(directory / "installs.json")
        for name, key in (("forge.jwks", forge), ("installs.jwks", installs)):
            _write(directory / name, KeySet([key]).as_dict(private=False))
        if not (directory / "secrets.json").exists():
            _write(
                directory / "secrets.json",
                {
                    "app": f"ari:cloud:ecosystem::app/{uuid.uuid4()}",
                    "client_key": str(uuid.uuid4()),
                    "connect_secret": secrets.token_urlsafe(48),
                    "encryption_key": Fernet.generate_key().decode(),
                    "operator_password": secrets.token_urlsafe(18),
                    "data_center_sites": {site: secrets.token_urlsafe(32) for site in data_center_sites},
                },
            )
        return cls(directory, forge, installs, _Secrets(**orjson.loads((directory / "secrets.json").read_bytes())))

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
    def operator_password(self) -> str:
        """What opens the operators' page, under any user name."""
        return self._kept.operator_password

    def environment(self) -> dict[str, str]:
        """Settings for the services that verify."""
        sites = {site: [secret] for site, secret in self._kept.data_center_sites.items()}
        return {
            "APPROVALFLOW_FORGE_APP": self._kept.app,
            "APPROVALFLOW_FORGE_JWKS": str(self._directory / "forge.jwks"),
            "APPROVALFLOW_CONNECT_INSTALL_KEYS": str(self._directory / "installs.jwks"),
            "APPROVALFLOW_ENCRYPTION_KEY": self._kept.encryption_key,
            "APPROVALFLOW_DATA_CENTER_SITES": json.dumps(sites),
            "APPROVALFLOW_OPERATOR_PASSWORD": self._kept.operator_password,
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


def _key(path: Path) -> RSAKey:
    if not path.exists():
        made = RSAKey.generate_key(2048, {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"})
        _write(path, made.as_dict(private=True))
    return RSAKey.import_key(orjson.loads(path.read_bytes()))


def _write(path: Path, content: object) -> None:
    """Whole or not at all, so that a killed start leaves nothing half-written."""
    part = path.with_suffix(f".{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content))
    part.replace(path)
