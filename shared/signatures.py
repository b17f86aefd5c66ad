"""Shared-secret signatures over bodies and requests, and the one answer to whatever is not accepted."""

import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote


class Unauthenticated(Exception):
    """It was not accepted. Carries no detail on purpose: neither callers nor logs learn what was tried."""


def verify_hub_signature(secrets: Sequence[str], body: bytes, header: str) -> None:
    """``X-Hub-Signature`` over the raw body, by any of the secrets that are live while one replaces the other.

    :raises Unauthenticated: it is none of theirs.
    """
    good = False
    for secret in secrets:
        expected = hub_signature(secret, body)
        good |= bool(secret) and hmac.compare_digest(expected.encode(), header.encode("utf-8", "replace"))
    if not good:
        raise Unauthenticated


def hub_signature(secret: str, body: bytes) -> str:
    """The header that proves knowledge of ``secret`` for this body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def query_hash(method: str, path: str, query: str) -> str:
    """Connect's ``qsh``: SHA-256 (hex) of method, path and query in their canonical form.

    :raises Unauthenticated: the query has more fields than any real caller sends.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Unauthenticated from None
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        if name != "jwt":
            grouped.setdefault(quote(name, safe="~"), []).append(quote(value, safe="~"))
    canonical = "&".join(f"{name}={','.join(sorted(grouped[name]))}" for name in sorted(grouped))
    place = (path.rstrip("/") or "/").replace("&", "%26")
    return hashlib.sha256(f"{method.upper()}&{place}&{canonical}".encode()).hexdigest()
