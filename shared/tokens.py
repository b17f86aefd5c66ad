"""Who speaks: signed tokens and signatures, verified. The one answer to anything doubtful is ``Unauthenticated``.

The key and the algorithm follow from the endpoint and the configuration, never from what the token says of itself.
"""

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry
from pydantic import TypeAdapter, ValidationError

from shared.contracts.base import Caller, Channel, Environment, Licence, SiteId
from shared.signatures import Unauthenticated, hub_signature, query_hash, verify_hub_signature

__all__ = [
    "Keys",
    "Principal",
    "Unauthenticated",
    "hub_signature",
    "in_time",
    "key_of",
    "peek",
    "query_hash",
    "several",
    "signed",
    "site_of",
    "verify_connect",
    "verify_forge",
    "verify_hub_signature",
    "verify_install",
]

FORGE_ISSUER = "forge/invocation-token"
MAX_LENGTH = 16_384
"""Characters of the longest token looked at."""
MAX_SKEW = 5.0
"""Seconds that two clocks may be apart, at most."""
MAX_LIFETIME = 3600.0
"""Seconds after which a Connect token may at the latest expire, from its own issue."""

_SITE: TypeAdapter[str] = TypeAdapter(SiteId)

Keys = Mapping[str, RSAKey]
"""Public keys by their ``kid``."""


@dataclass(frozen=True, slots=True)
class Principal:
    """What a token proved. ``token_id`` is its ``jti``, '' where its platform gives none."""

    site_id: str
    caller: Caller
    token_id: str
    expires_at: datetime

    @property
    def operator(self) -> bool:
        """Do they run the system, by their provider's word?"""
        return self.caller.operator


def verify_forge(token: str, keys: Keys, audience: str, now: datetime, skew: float = MAX_SKEW) -> Principal:
    """A Forge invocation token: RS256, for the app whose ARI is ``audience``; ``skew`` in seconds.

    :raises Unauthenticated: anything at all is wrong with it.
    """
    claims = signed(token, key_of(token, keys), "RS256")
    expires = in_time(claims, now, skew, required=("exp", "nbf"))
    try:
        if not audience or claims["iss"] != FORGE_ISSUER or audience not in several(claims["aud"]):
            raise Unauthenticated
        app, context = claims["app"], claims["context"]
        production = app["environment"]["type"] == "PRODUCTION"
        caller = Caller(
            channel=Channel.FORGE,
            environment=Environment.PRODUCTION if production else Environment.OTHER,
            licence=_forge_licence(app.get("license"), production),
            account_id=claims.get("principal"),
            app=claims.get("principal") is None and not context.get("extension"),
        )
        site = site_of(context["cloudId"])
        if not _installed_on(app, site):
            raise Unauthenticated
        return Principal(site, caller, str(claims.get("jti", "")), expires)
    except (KeyError, TypeError, AttributeError, ValidationError):
        raise Unauthenticated from None


def verify_connect(
    token: str,
    secret: str,
    *,
    client_key: str,
    site_id: str,
    method: str,
    path: str,
    query: str,
    now: datetime,
    environment: Environment = Environment.PRODUCTION,
    skew: float = MAX_SKEW,
) -> Principal:
    """A Connect token: HS256 under the tenant's secret, bound by ``qsh`` to this method, path and query.

    ``path`` is relative to the app's base URL, ``query`` is raw.
    The licence is the query's ``lic``, which the token binds.

    :raises Unauthenticated: anything at all is wrong with it.
    """
    claims = signed(token, _shared(secret), "HS256")
    expires = in_time(claims, now, skew, required=("exp", "iat"))
    if claims.get("iss") != client_key:
        raise Unauthenticated
    _bound(claims, method, path, query)
    try:
        caller = Caller(
            channel=Channel.CONNECT,
            environment=environment,
            licence=_connect_licence(query),
            account_id=claims.get("sub"),
            app=claims.get("sub") is None,
        )
    except ValidationError:
        raise Unauthenticated from None
    return Principal(site_id, caller, str(claims.get("jti", "")), expires)


def verify_install(
    token: str,
    keys: Keys,
    *,
    client_key: str,
    audience: str,
    method: str,
    path: str,
    query: str,
    now: datetime,
    skew: float = MAX_SKEW,
) -> None:
    """The token of a Connect ``installed`` or ``uninstalled`` call: RS256 by one of the vendor's install keys.

    ``client_key`` is the body's, ``audience`` our own base URL.

    :raises Unauthenticated: anything at all is wrong with it.
    """
    claims = signed(token, key_of(token, keys), "RS256")
    in_time(claims, now, skew, required=("exp",))
    audiences = [str(each).rstrip("/") for each in several(claims.get("aud"))]
    if not audience or claims.get("iss") != client_key or audience.rstrip("/") not in audiences:
        raise Unauthenticated
    _bound(claims, method, path, query)


def peek(token: str, part: int, name: str) -> str:
    """An unverified text from a token's header (0) or claims (1), only to find which key must verify it.

    :raises Unauthenticated: there is no such thing in it.
    """
    if len(token) > MAX_LENGTH or token.count(".") != 2:
        raise Unauthenticated
    try:
        value = orjson.loads(_decoded(token.split(".")[part]))[name]
    except (ValueError, TypeError, KeyError, IndexError):
        raise Unauthenticated from None
    if not isinstance(value, str):
        raise Unauthenticated
    return value


def key_of(token: str, keys: Keys) -> RSAKey:
    """The key that a token names.

    :raises Unauthenticated: it is not among these.
    """
    key = keys.get(peek(token, 0, "kid"))
    if key is None:
        raise Unauthenticated
    return key


def _shared(secret: str) -> OctKey:
    try:
        return OctKey.import_key(secret)
    except ValueError:  # a "secret" that is a public key
        raise Unauthenticated from None


def signed(token: str, key: RSAKey | OctKey, algorithm: str) -> dict[str, Any]:
    """The claims of a token signed with this key by this algorithm.

    :raises Unauthenticated: it is not.
    """
    if len(token) > MAX_LENGTH:
        raise Unauthenticated
    try:
        found = jws.deserialize_compact(token, key, algorithms=[algorithm], registry=JWSRegistry(algorithms=[algorithm]))
        if "crit" in _object(_decoded(found.segments["header"].decode())):  # no extension is for the tokens taken here
            raise Unauthenticated
        return _object(found.payload)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Unauthenticated from None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _object(document: bytes) -> dict[str, Any]:
    """A JSON object whose every member is there once: of two, another reader might believe the other.

    :raises ValueError: it is not one.
    """
    found = json.loads(document.decode(), object_pairs_hook=_once, parse_constant=int)  # no int is called NaN or Infinity
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member is there twice")
    return found


def in_time(claims: Mapping[str, Any], now: datetime, skew: float, required: Sequence[str]) -> datetime:
    """When claims expire; ``skew`` in seconds.

    :raises Unauthenticated: it is not their time, one that is required is missing, or they live too long.
    """
    present, skew = now.timestamp(), min(skew, MAX_SKEW)
    moments = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if any(name not in moments for name in required):
        raise Unauthenticated
    for moment in moments.values():
        if isinstance(moment, bool) or not isinstance(moment, (int, float)) or not 0 <= moment < 1 << 40:
            raise Unauthenticated
    early = max(moments.get("nbf", 0), moments.get("iat", 0)) > present + skew
    if early or moments["exp"] <= present - skew or moments["exp"] - moments.get("iat", present) > MAX_LIFETIME:
        raise Unauthenticated
    return datetime.fromtimestamp(moments["exp"], UTC)


def _bound(claims: Mapping[str, Any], method: str, path: str, query: str) -> None:
    claimed = claims.get("qsh")
    if not isinstance(claimed, str) or not hmac.compare_digest(claimed.encode(), query_hash(method, path, query).encode()):
        raise Unauthenticated


def site_of(value: object) -> str:
    """A claim that names a site.

    :raises Unauthenticated: it cannot be one.
    """
    try:
        return _SITE.validate_python(value, strict=True)
    except ValidationError:
        raise Unauthenticated from None


def several(value: object) -> list[object]:
    """A claim that may be one value or a list of them, as a list."""
    return value if isinstance(value, list) else [value]


def _installed_on(app: Mapping[str, Any], site: str) -> bool:
    """Is the site among those of the token's installation, where it lists them?"""
    contexts = app.get("installation", {}).get("contexts")
    return contexts is None or site in [context.get("cloudId") for context in contexts]


def _forge_licence(said: object, production: bool) -> Licence:
    if said is None:
        return Licence.INACTIVE if production else Licence.UNKNOWN
    active = isinstance(said, dict) and said.get("active", said.get("isActive")) is True
    return Licence.ACTIVE if active else Licence.INACTIVE


def _connect_licence(query: str) -> Licence:
    said = [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "lic"]
    if not said:
        return Licence.UNKNOWN
    return Licence.ACTIVE if said == ["active"] else Licence.INACTIVE
