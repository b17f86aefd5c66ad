"""Every way an ID token can be wrong has one answer, and a right one says who signed in."""

from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from shared.contracts.base import Channel, Environment, Licence
from shared.identity import Trust, verify_identity
from shared.keys import IssuerKeys
from shared.tokens import Principal, Unauthenticated
from tests.unit.signing import KEY, KEYS, NOW, OTHER, T, forge

ISSUER = "https://id.example/realm"
TRUST = Trust(ISSUER, "approvalflow-console", "site_id", "sub", "roles", Environment.PRODUCTION)


def identity(key: RSAKey = KEY, **changes: Any) -> str:
    """An ID token, changed; ``...`` leaves a claim out."""
    claims: dict[str, Any] = {
        "iss": ISSUER, "aud": "approvalflow-console", "sub": "ann", "iat": T, "exp": T + 900, "site_id": "site-one", "jti": "j-2",
    }
    told = {name: value for name, value in (claims | changes).items() if value is not ...}
    return jwt.encode({"alg": "RS256", "kid": "k1"}, told, key)


def proved(token: str, trust: Trust = TRUST) -> Principal:
    """Whom a token proves."""
    return verify_identity(token, KEYS, trust, NOW)


def test_it_says_site_and_person_and_knows_of_no_licence() -> None:
    principal = proved(identity())
    assert (principal.site_id, principal.caller.account_id, principal.token_id) == ("site-one", "ann", "j-2")
    assert principal.caller.channel is Channel.CONSOLE
    assert principal.caller.licence is Licence.UNKNOWN
    assert (principal.caller.app, principal.operator) == (False, False)


@pytest.mark.parametrize("roles", [["operator"], ["editor", "operator"], "operator"])
def test_an_operator_is_one_by_the_providers_word(roles: object) -> None:
    assert proved(identity(roles=roles)).operator is True


@pytest.mark.parametrize("roles", [["operators"], [], None, {"operator": True}, [["operator"]], "an operator"])
def test_nobody_else_is(roles: object) -> None:
    assert proved(identity(roles=roles)).operator is False


def test_the_claims_that_name_somebody_are_the_providers() -> None:
    trust = Trust(ISSUER, "approvalflow-console", "tenant", "account_id", "groups", Environment.OTHER)
    principal = proved(identity(tenant="site-two", account_id="bob", groups=["operator"]), trust)
    assert (principal.site_id, principal.caller.account_id, principal.operator) == ("site-two", "bob", True)
    assert principal.caller.environment is Environment.OTHER


def test_several_audiences_need_to_name_who_it_was_handed_to() -> None:
    several = ["approvalflow-console", "another"]
    assert proved(identity(aud=several, azp="approvalflow-console")).site_id == "site-one"
    for azp in (..., "another"):
        with pytest.raises(Unauthenticated):
            proved(identity(aud=several, azp=azp))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://id.example/other"}, {"iss": ...}, {"aud": "another"}, {"aud": ...}, {"aud": []}, {"azp": "another"},
        {"sub": ...}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "unknown"}, {"site_id": ...}, {"site_id": "a:b"}, {"site_id": ["a"]},
        {"exp": T - 5}, {"exp": ...}, {"iat": ...}, {"iat": T + 60}, {"nbf": T + 60}, {"exp": T + 100_000}, {"exp": "never"},
    ],
)
def test_anything_wrong_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        proved(identity(**changes))


def test_another_key_another_algorithm_or_no_provider_is_refused() -> None:
    nobody = Trust("", "", "site_id", "sub", "roles", Environment.PRODUCTION)
    unsigned = identity().rsplit(".", 1)[0] + "."
    ours = [(token, TRUST) for token in (identity(OTHER), unsigned, forge())]
    for token, trust in (*ours, (identity(), nobody), (identity(iss="", aud=""), nobody)):
        with pytest.raises(Unauthenticated):
            proved(token, trust)


@pytest.mark.asyncio
async def test_keys_are_those_of_the_issuer_named_and_of_no_other() -> None:
    said = {"issuer": ISSUER, "jwks_uri": "https://id.example/keys"}
    keys = KeySet([KEY]).as_dict(private=False)

    async def provider(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=said if request.url.path == "/realm/.well-known/openid-configuration" else keys)

    async with httpx.AsyncClient(transport=httpx.MockTransport(provider)) as client:
        assert set(await IssuerKeys(ISSUER, client).keys_for(identity())) == {"k1"}
        assert await IssuerKeys("", client).keys_for(identity()) == {}
        said["issuer"] = "https://id.example/other"
        assert await IssuerKeys(ISSUER, client).keys_for(identity()) == {}
