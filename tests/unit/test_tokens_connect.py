"""Connect tokens and installs are good for the one request they were signed for."""

import hashlib
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from shared.contracts.base import Licence
from shared.tokens import (
    Principal,
    Unauthenticated,
    query_hash,
    verify_connect,
    verify_install,
)
from tests.unit.signing import KEY, KEYS, NOW, OTHER, T, forge

SECRET = "tenant-secret-of-some-length-0123456789"


def connect(method: str = "POST", path: str = "/v1/workflows", query: str = "", secret: str = SECRET, **changes: Any) -> str:
    claims = {
        "iss": "client-1",
        "iat": T,
        "exp": T + 180,
        "qsh": query_hash(method, path, query),
        "sub": "acc-1",
    } | changes
    return jwt.encode({"alg": "HS256"}, {n: v for n, v in claims.items() if v is not ...}, OctKey.import_key(secret))


def admitted(token: str, method: str = "POST", path: str = "/v1/workflows", query: str = "") -> Principal:
    return verify_connect(
        token,
        SECRET,
        client_key="client-1",
        site_id="site-one",
        method=method,
        path=path,
        query=query,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Licence.UNKNOWN),
        ("lic=active", Licence.ACTIVE),
        ("lic=none", Licence.INACTIVE),
        ("lic=", Licence.INACTIVE),
        ("lic=active&lic=none", Licence.INACTIVE),
    ],
)
def test_connect_reads_the_licence_the_token_binds(query: str, expected: Licence) -> None:
    principal = admitted(connect(query=query), query=query)
    assert (principal.caller.licence, principal.caller.account_id, principal.site_id) == (expected, "acc-1", "site-one")


@pytest.mark.parametrize(
    "token",
    [
        connect(secret="another-secret-another-secret-12345"),
        connect(iss="client-2"),
        connect(exp=T - 6),
        connect(exp=...),
        connect(iat=...),
        connect(qsh=...),
        connect(qsh="context-qsh"),
        connect(qsh="é"),
        connect(qsh=7),
        connect(sub="unknown"),
        connect(method="GET"),
        connect(path="/v1/licence"),
        connect(query="lic=active"),
        forge(),
    ],
    ids=[
        "secret",
        "issuer",
        "expired",
        "no-exp",
        "no-iat",
        "no-qsh",
        "context-qsh",
        "qsh-text",
        "qsh-number",
        "unknown-person",
        "other-method",
        "other-path",
        "other-query",
        "rs256",
    ],
)
def test_a_connect_token_is_good_for_its_own_request_only(token: str) -> None:
    with pytest.raises(Unauthenticated):
        admitted(token)


@pytest.mark.parametrize(
    ("place", "query", "canonical"),
    [
        ("/", "", "GET&/&"),
        ("", "", "GET&/&"),
        ("/pages/", "b=2&a=1", "GET&/pages&a=1&b=2"),
        ("/p", "a=x+y%20z&jwt=abc", "GET&/p&a=x%20y%20z"),
        ("/p", "a=b&a=a,c&A=~-._*", "GET&/p&A=~-._%2A&a=a%2Cc,b"),
        ("/p&q", "empty=&%C3%A9=1", "GET&/p%26q&%C3%A9=1&empty="),
    ],
)
def test_query_hash_is_over_the_canonical_request(place: str, query: str, canonical: str) -> None:
    assert query_hash("get", place, query) == hashlib.sha256(canonical.encode()).hexdigest()


def install(key: RSAKey = KEY, **changes: Any) -> str:
    claims = {
        "iss": "client-1",
        "aud": ["https://me.example/"],
        "iat": T,
        "exp": T + 60,
        "qsh": query_hash("POST", "/in", ""),
    }
    return jwt.encode({"alg": "RS256", "kid": "k1"}, claims | changes, key)


def _install_checked(token: str) -> None:
    verify_install(
        token,
        KEYS,
        client_key="client-1",
        audience="https://me.example",
        method="POST",
        path="/in",
        query="",
        now=NOW,
    )


def test_an_install_is_signed_by_a_configured_key_for_us() -> None:
    _install_checked(install())


@pytest.mark.parametrize(
    "token",
    [
        install(OTHER),
        install(iss="client-2"),
        install(aud=["https://you.example"]),
        install(exp=T - 60),
        install(qsh="0"),
        connect(),
    ],
)
def test_any_other_install_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        _install_checked(token)
