"""Every way a token can be wrong has one answer, and a right one says what it proved."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from shared.contracts.base import Environment, Licence
from shared.keys import KeySource
from shared.tokens import (
    MAX_LENGTH,
    Principal,
    Unauthenticated,
    hub_signature,
    query_hash,
    verify_connect,
    verify_forge,
    verify_hub_signature,
    verify_install,
)

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
T = int(NOW.timestamp())
KEY = RSAKey.generate_key(2048, {"kid": "k1"})
OTHER = RSAKey.generate_key(2048, {"kid": "k1"})
KEYS = {"k1": KEY}
APP = "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"
SECRET = "tenant-secret-of-some-length-0123456789"


def forge_claims(**changes: Any) -> dict[str, Any]:
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
    registry = JWSRegistry(algorithms=[alg])
    return jwt.encode({"alg": alg, "kid": kid}, forge_claims(**changes), key, algorithms=[alg], registry=registry)


def accepted(token: str, at: datetime = NOW, skew: float = 5) -> Principal:
    return verify_forge(token, KEYS, APP, at, skew)


def test_a_forge_token_says_site_person_environment_and_licence() -> None:
    principal = accepted(forge())
    assert (principal.site_id, principal.caller.account_id, principal.token_id) == ("site-one", "acc:ount-1", "j-1")
    assert principal.caller.environment is Environment.PRODUCTION
    assert principal.caller.licence is Licence.ACTIVE
    assert principal.caller.app is False
    assert principal.expires_at == NOW + timedelta(seconds=25)


def test_without_a_principal_the_app_speaks() -> None:
    assert accepted(forge(principal=...)).caller.app is True


def test_an_anonymous_viewer_of_a_page_is_not_the_app() -> None:
    caller = accepted(forge(principal=..., context={"cloudId": "site-one", "extension": {"type": "macro"}})).caller
    assert (caller.app, caller.account_id) == (False, None)


@pytest.mark.parametrize(
    ("environment", "licence", "expected"),
    [
        ("PRODUCTION", {"active": True}, Licence.ACTIVE),
        ("PRODUCTION", {"isActive": True}, Licence.ACTIVE),
        ("PRODUCTION", {"active": False}, Licence.INACTIVE),
        ("PRODUCTION", {"active": "true"}, Licence.INACTIVE),
        ("PRODUCTION", None, Licence.INACTIVE),
        ("PRODUCTION", "yes", Licence.INACTIVE),
        ("DEVELOPMENT", None, Licence.UNKNOWN),
        ("STAGING", {"active": False}, Licence.INACTIVE),
    ],
)
def test_licences_fail_closed_in_production(environment: str, licence: object, expected: Licence) -> None:
    app: dict[str, Any] = {"environment": {"type": environment}}
    if licence is not None:
        app["license"] = licence
    caller = accepted(forge(app=app)).caller
    assert caller.licence is expected
    assert caller.environment is (Environment.PRODUCTION if environment == "PRODUCTION" else Environment.OTHER)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": T - 5},
        {"exp": ...},
        {"exp": "never"},
        {"exp": True},
        {"exp": T + 100_000},
        {"nbf": T + 6},
        {"nbf": ...},
        {"iat": T + 60},
        {"iss": "forge"},
        {"iss": ...},
        {"aud": "ari:cloud:ecosystem::app/other"},
        {"aud": ...},
        {"aud": []},
        {"context": {}},
        {"context": ...},
        {"context": "x"},
        {"context": {"cloudId": "a:b"}},
        {"context": {"cloudId": 7}},
        {"app": ...},
        {"app": {}},
        {"app": {"environment": "PRODUCTION"}},
        {"principal": "unknown"},
        {"principal": 7},
        {"principal": "a b"},
        {"principal": ""},
    ],
)
def test_wrong_claims_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        accepted(forge(**changes))


@pytest.mark.parametrize(("seconds", "good"), [(-5, True), (-6, False), (29, True), (30, False)])
def test_clocks_may_differ_by_five_seconds_and_no_more(seconds: int, good: bool) -> None:
    at, skew = NOW + timedelta(seconds=seconds), 3600.0
    if good:
        assert accepted(forge(), at, skew).site_id == "site-one"
    else:
        with pytest.raises(Unauthenticated):
            accepted(forge(), at, skew)


def _tampered() -> str:
    head, _, signature = forge().split(".")
    body = forge(context={"cloudId": "site-two"}).split(".")[1]
    return f"{head}.{body}.{signature}"


def _b64(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _public_key_as_secret() -> str:
    head = _b64(json.dumps({"alg": "HS256", "kid": "k1"}).encode()) + "." + _b64(json.dumps(forge_claims()).encode())
    return head + "." + _b64(hmac.new(KEY.as_pem(private=False), head.encode(), hashlib.sha256).digest())


def _unsigned() -> str:
    return _b64(b'{"alg":"none","kid":"k1"}') + "." + _b64(json.dumps(forge_claims()).encode()) + "."


@pytest.mark.parametrize(
    "token",
    [
        forge(OTHER),
        forge(kid="k2"),
        forge(alg="RS512"),
        forge(alg="PS256"),
        _public_key_as_secret(),
        _unsigned(),
        _tampered(),
        forge().rsplit(".", 1)[0] + ".",
        "",
        "a.b.c",
        "..",
        "a" * 50,
        forge() + ".x",
        forge(filler="x" * MAX_LENGTH),
        "\x00.\ud800.\x00",
        "e30." + "W1tb" * 3000 + ".AAAA",
    ],
    ids=[
        "forged",
        "unknown-kid",
        "rs512",
        "ps256",
        "hs256-with-public-key",
        "none",
        "tampered",
        "no-signature",
        "empty",
        "letters",
        "dots",
        "no-dots",
        "four-parts",
        "too-long",
        "not-text",
        "nested",
    ],
)
def test_wrong_signatures_are_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        accepted(token)


def test_no_audience_configured_accepts_nobody() -> None:
    with pytest.raises(Unauthenticated):
        verify_forge(forge(aud=""), KEYS, "", NOW)


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


def test_a_hub_signature_by_either_live_secret_is_good() -> None:
    for secret in ("old", "new"):
        verify_hub_signature(["old", "new"], b"body", hub_signature(secret, b"body"))


@pytest.mark.parametrize(
    ("secrets", "header"),
    [
        (["old"], hub_signature("new", b"body")),
        (["old"], hub_signature("old", b"other")),
        ([], hub_signature("", b"body")),
        ([""], hub_signature("", b"body")),
        (["old"], ""),
        (["old"], "sha1=00"),
        (["old"], "\u20ac"),
    ],
)
def test_any_other_hub_signature_is_refused(secrets: list[str], header: str) -> None:
    with pytest.raises(Unauthenticated):
        verify_hub_signature(secrets, b"body", header)


@pytest.mark.asyncio
async def test_an_unknown_key_is_looked_for_again_but_not_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock = tmp_path / "keys.json", [100.0]
    monkeypatch.setattr("shared.keys.time.monotonic", lambda: clock[0])
    path.write_text(json.dumps(KeySet([OTHER]).as_dict(private=False)).replace("k1", "k0"))
    async with httpx.AsyncClient() as client:
        source = KeySource(str(path), client)
        assert set(await source.keys_for(forge())) == {"k0"}
        path.write_text(json.dumps(KeySet([KEY]).as_dict(private=False)))
        assert set(await source.keys_for(forge())) == {"k0"}
        clock[0] += 30
        assert accepted(forge()).site_id == verify_forge(forge(), await source.keys_for(forge()), APP, NOW).site_id


@pytest.mark.asyncio
async def test_a_key_set_that_cannot_be_read_leaves_the_known_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, answers = [0.0], [httpx.Response(200, json=KeySet([KEY]).as_dict(private=False)), httpx.Response(500)]
    monkeypatch.setattr("shared.keys.time.monotonic", lambda: clock[0])
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    async with httpx.AsyncClient(transport=transport) as client:
        source = KeySource("https://keys.example/jwks.json", client)
        assert set(await source.keys_for(forge())) == {"k1"}
        clock[0] += 60
        assert set(await source.keys_for(forge(kid="k9"))) == {"k1"}
        assert answers == []
