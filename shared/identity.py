"""A person who signed in by OpenID Connect: their ID token, verified, as ``console`` keeps it and ``command`` is shown it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from shared import tokens
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.tokens import Keys, Principal, Unauthenticated

OPERATOR = "operator"
"""The role of those who run the system."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose ID tokens count, and the names of the claims that say who somebody is."""

    issuer: str
    client_id: str
    site_claim: str
    account_claim: str
    roles_claim: str
    environment: Environment


def verify_identity(token: str, keys: Keys, trust: Trust, now: datetime, skew: float = tokens.MAX_SKEW) -> Principal:
    """An ID token (OpenID Connect Core 1.0, section 3.1.3.7): RS256, by this issuer, for this client; ``skew`` in seconds.

    The licence is that known of the site, since a provider knows of none.

    :raises Unauthenticated: anything at all is wrong with it.
    """
    claims = tokens.signed(token, tokens.key_of(token, keys), "RS256")
    expires = tokens.in_time(claims, now, skew, required=("exp", "iat"))
    if not trust.issuer or claims.get("iss") != trust.issuer or not _ours(claims, trust.client_id):
        raise Unauthenticated
    operator = OPERATOR in tokens.several(claims.get(trust.roles_claim))
    try:
        caller = Caller(
            channel=Channel.CONSOLE, environment=trust.environment, licence=Licence.UNKNOWN, account_id=claims[trust.account_claim],
            operator=operator,
        )
    except (KeyError, ValidationError):
        raise Unauthenticated from None
    if caller.account_id is None:
        raise Unauthenticated
    return Principal(tokens.site_of(claims.get(trust.site_claim)), caller, str(claims.get("jti", "")), expires)


def _ours(claims: dict[str, Any], client_id: str) -> bool:
    """For this client, and where it names several, handed out to this one."""
    audiences = tokens.several(claims.get("aud"))
    party = claims.get("azp", client_id if len(audiences) == 1 else None)
    return bool(client_id) and client_id in audiences and party == client_id
