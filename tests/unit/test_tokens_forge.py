"""Every way a Forge token can be wrong has one answer, and a right one says what it proved."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.base import Environment, Licence
from shared.tokens import (
    MAX_LENGTH,
    Unauthenticated,
    verify_forge,
)
from tests.unit.signing import KEY, KEYS, NOW, OTHER, T, accepted, forge, forge_claims


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
