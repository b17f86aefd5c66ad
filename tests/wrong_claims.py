"""Tokens well signed, whose claims are not what they must be."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from shared.tokens import MAX_LENGTH
from tests.doors import Door, document

Named = Iterator[tuple[str, str]]
"""Tokens, by what is wrong with each."""


def wrong_claims(door: Door) -> dict[str, str]:
    """Every such token for one door."""
    families = (_shapes, _types, _people, _issuers, _audiences, _times, _places)
    return dict(itertools.chain.from_iterable(family(door) for family in families))


def _shapes(door: Door) -> Named:
    """A payload that is no object of claims."""
    header, good = document(door.header), document(door.claims)
    for name, payload in (
        ("null", b"null"), ("a number", b"1"), ("a text", b'"claims"'), ("a list", b"[" + good + b"]"), ("nothing", b""), ("a brace", b"{"),
        ("two objects", good + good), ("UTF-16", good.decode().encode("utf-16")), ("no UTF-8", good.replace(b'"iss"', b'"\xff"')),
        ("deep", b'{"a":' * 3000 + b"1" + b"}" * 3000), ("NUL behind", good + b"\x00"), ("not a number", good[:-1] + b', "x": NaN}'),
        ("infinity", good[:-1] + b', "x": -Infinity}'), ("empty", b"{}"), ("a byte order mark", b"\xef\xbb\xbf" + good),
    ):
        yield f"payload {name}", door.sign(header, payload)
    inner = door.token()
    yield "nested", door.sign(document(door.header | {"cty": "JWT"}), inner.encode())
    yield "nested as a text", door.sign(document(door.header | {"cty": "JWT"}), json.dumps(inner).encode())
    yield "nested in a claim", door.sign(header, document({"jwt": inner}))
    yield "too long", door.token(filler="x" * MAX_LENGTH)
    yield "a long header", door.token({"typ": "x" * MAX_LENGTH})
    for bad in (b"[]", b"null", b'"RS256"', b"", b"\xff", b"[" * 9000):
        yield f"header {bad[:9]!r}", door.sign(bad, good)


_ODD: tuple[Any, ...] = (None, True, 0, -1, 10**30, "", "x", "0", [], [None], {}, {"a": 1}, ...)


LOOKED_AT = {
    "forge": ("iss", "aud", "exp", "nbf", "app", "context"), "connect": ("iss", "exp", "iat", "qsh"),
    "install": ("iss", "aud", "exp", "qsh"), "openid": ("iss", "aud", "exp", "iat", "sub", "site_id"),
}
WOULD_DO = (("nbf", 0), ("sub", "x"), ("sub", "0"), ("site_id", "x"), ("site_id", "0"))


def _types(door: Door) -> Named:
    """Each claim that is looked at, as what it cannot be."""
    for name, value in itertools.product(LOOKED_AT[door.name], _ODD):
        if (name, value) not in WOULD_DO:
            yield f"{name} is {value!r}", door.token(**{name: value})


def _people(door: Door) -> Named:
    """Nobody can be called that."""
    name = {"forge": "principal", "connect": "sub", "openid": "sub", "install": "iss"}[door.name]
    names: tuple[Any, ...] = ("unknown", "a b", "a\n", "\u0430nn", "a" * 129, ["ann"], {"id": "ann"}, 7, True, "", "ann\x00")
    for value in names:
        yield f"{name} is {value!r}", door.token(**{name: value})


def _issuers(door: Door) -> Named:
    """Names that look like the issuer's."""
    iss = str(door.claims["iss"])
    swaps = (("i", "\u0456"), ("e", "\u0435"), ("o", "\u03bf"), ("-", "\u2010"), ("a", "\uff41"), ("/", "\u2215"), ("-", "%2d"))
    likes = {iss.replace(*swap) for swap in swaps} | {iss + end for end in (" ", "\n", "\x00", "\u200b", "/", "/..", "#", iss)}
    likes |= {iss.upper(), iss.title(), " " + iss, "\u202e" + iss[::-1], iss[:-1], "https://" + iss, "null", "*"}
    for like in sorted(likes - {iss}):
        yield f"issued by {like!r}", door.token(iss=like)
    for several in ([iss], [iss, "other"], {iss: 1}):
        yield f"issued by {several!r}", door.token(iss=several)


def _audiences(door: Door) -> Named:
    """For somebody else."""
    if "aud" in door.claims:
        aud = door.claims["aud"]
        aud = aud[0] if isinstance(aud, list) else aud
        for other in (
            aud + "x", aud[:-1], aud.upper() + "X", "*", [aud + "x"], ["*", ""], {aud: 1}, [[aud]], f"{aud},other", f"{aud} other",
            aud + "\n",
        ):
            yield f"for {other!r}", door.token(aud=other)


def _times(door: Door) -> Named:
    """Over, not yet, for ever, or at no time at all."""
    begun, over = int(door.claims["iat"]), int(door.claims["exp"])
    wrong: dict[str, dict[str, Any]] = {
        "expired": {"exp": begun - 6}, "expired long ago": {"iat": 1, "nbf": 1, "exp": 2}, "not yet": {"nbf": begun + 600},
        "from the future": {"iat": begun + 3600, "exp": over + 3600}, "for a day": {"exp": begun + 86_400},
        "for ever": {"exp": 1 << 39}, "beyond ever": {"exp": 1 << 63}, "old and long": {"iat": begun - 10**6},
        "in milliseconds": {"exp": over * 1000}, "as a text": {"exp": str(over)}, "in a list": {"exp": [over]}, "negative": {"exp": -over},
        "infinite": {"exp": float("inf")}, "no number": {"exp": float("nan")}, "true": {"exp": True}, "without an end": {"exp": ...},
        "nbf no number": {"nbf": "now"}, "iat no number": {"iat": "now"},
    }
    for name, claims in wrong.items():
        yield f"time: {name}", door.token(**claims)


def _places(door: Door) -> Named:
    """Good elsewhere: for another request, another install, another site, or another client."""
    elsewhere: dict[str, list[dict[str, Any]]] = {
        "forge": [{"context": context} for context in ({"cloudId": "a:b"}, {}, {"cloudId": ["a"]}, {"cloudId": "a" * 129})],
        "connect": [{"qsh": "context-qsh"}, {"qsh": "0" * 64}, {"qsh": str(door.claims.get("qsh")).upper()}],
        "install": [{"qsh": "context-qsh"}, {"qsh": "0" * 64}, {"iss": "another-tenant"}],
        "openid": [{"azp": "other"}, {"aud": [door.claims.get("aud"), "other"]}, {"site_id": "a:b"}],
    }
    for claims in elsewhere[door.name]:
        yield f"for {claims!r}", door.token(**claims)
