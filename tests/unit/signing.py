"""Forge tokens as tests sign them, and the keys they are signed by."""

from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry

from shared.tokens import (
    Principal,
    verify_forge,
)

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
T = int(NOW.timestamp())
KEY = RSAKey.generate_key(2048, {"kid": "k1"})
OTHER = RSAKey.generate_key(2048, {"kid": "k1"})
KEYS = {"k1": KEY}
APP = "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"


def forge_claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, changed; ``...`` leaves a claim out."""
    claims: dict[str, Any] = {
        "iss": "forge/invocation-token",
        "aud": APP,
        "iat": T,
        "nbf": T,
        "exp": T + 25,
        "jti": "j-1",
        "app": {"environment": {"type": "PRODUCTION"}, "license": {"active": True}},
        "context": {"cloudId": "site-one"},
        "principal": "acc:ount-1",
    }
    return {name: value for name, value in (claims | changes).items() if value is not ...}


def forge(key: RSAKey | OctKey = KEY, alg: str = "RS256", kid: str = "k1", **changes: Any) -> str:
    """A signed token."""
    registry = JWSRegistry(algorithms=[alg])
    return jwt.encode({"alg": alg, "kid": kid}, forge_claims(**changes), key, algorithms=[alg], registry=registry)


def accepted(token: str, at: datetime = NOW, skew: float = 5) -> Principal:
    """Whom a token proves."""
    return verify_forge(token, KEYS, APP, at, skew)
