"""The ways in, as somebody who wants to get in without the right sees them: what a good token says, and how it is signed."""

import base64
import hmac
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc.jwk import OctKey, RSAKey

from services.local.issuer import LocalIssuer
from tests.integration.command_stack import BASE_URL

HASH = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
RESET = "/v1/approvals/1-1/reset"
INSTALLED = "/webhooks/connect/installed"


@dataclass(frozen=True)
class Door:
    """A channel: the scheme of its header, the place that a token is shown at, and a good token taken apart."""

    name: str
    scheme: str
    path: str
    body: dict[str, Any]
    key: RSAKey | OctKey
    header: dict[str, Any]
    claims: dict[str, Any]

    def sign(self, header: bytes, payload: bytes, algorithm: str | None = None, key: RSAKey | OctKey | None = None) -> str:
        """These very bytes, signed; by the channel's own key and algorithm unless others are given."""
        told = f"{encoded(header)}.{encoded(payload)}"
        return f"{told}.{encoded(signature(told.encode(), algorithm or self.header['alg'], key or self.key))}"

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token with these members of the header and these claims changed; ``...`` leaves one out."""
        return self.sign(document(self.header | (header or {})), document(self.claims | claims))


def encoded(part: bytes) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def document(members: dict[str, Any]) -> bytes:
    """A JSON object, without what is ``...``."""
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


def mac(told: bytes, size: str, secret: bytes) -> bytes:
    """An HMAC, whatever is taken for its secret."""
    return hmac.new(secret, told, f"sha{size}").digest()


def signature(told: bytes, algorithm: str, key: RSAKey | OctKey) -> bytes:
    """By any of the algorithms that such a key can be used with, wanted or not."""
    if isinstance(key, OctKey):
        return mac(told, algorithm[2:], key.raw_value)
    private, digest = key.private_key, HASH[algorithm[2:]]
    assert isinstance(private, RSAPrivateKey)
    if algorithm.startswith("PS"):
        return private.sign(told, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return private.sign(told, padding.PKCS1v15(), digest)




def doors(issuer: LocalIssuer) -> list[Door]:
    """Forge, Connect, the handshake of an install, and the console's OpenID Connect."""
    named = {"typ": "JWT", "alg": "RS256"}
    bound = issuer._bound(issuer.client_key, "POST", RESET, 900)
    install = issuer._bound(issuer.client_key, "POST", INSTALLED, 900) | {"aud": [BASE_URL]}
    forge, identity = _claims(issuer.forge("site-one", "712020:ann", lifetime=900)), _claims(issuer.identity("site-one", "ann"))
    return [
        Door("forge", "Bearer", RESET, {}, issuer._forge, named | {"kid": issuer._forge.kid}, forge),
        Door("connect", "JWT", RESET, {}, OctKey.import_key(issuer.connect_secret), {"typ": "JWT", "alg": "HS256"}, bound | {"sub": "ann"}),
        Door("install", "JWT", INSTALLED, dict(issuer.install_body()), issuer._installs, named | {"kid": issuer._installs.kid}, install),
        Door("openid", "OpenID", RESET, {}, issuer._identity, named | {"kid": issuer._identity.kid}, identity),
    ]


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return claims

