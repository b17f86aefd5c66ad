"""What keeps a token, a signature or a key from being used where, or longer than, it was meant to be."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import KeySet

from services.command.translate_hooks import translate_data_center
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.reasons import Reason
from shared.keys import KEEP_SECONDS, REFRESH_SECONDS, KeySource
from shared.problems import Refusal
from shared.signatures import Unauthenticated, hub_signature, query_hash, verify_hub_signature
from tests.unit.signing import KEY, NOW, OTHER, accepted, forge

APP = {"environment": {"type": "PRODUCTION"}, "license": {"active": True}}
CALLER = Caller(channel=Channel.DATA_CENTER, environment=Environment.PRODUCTION, licence=Licence.UNKNOWN, app=True)


def installation(*sites: object) -> dict[str, Any]:
    """What a token says of its app's installation, with its contexts there."""
    return APP | {"installation": {"id": "ari:cloud:ecosystem::installation/1", "contexts": [{"cloudId": site} for site in sites]}}


@pytest.mark.parametrize("app", [APP, APP | {"installation": {"id": "1"}}, installation("site-one"), installation(None, "site-one")])
def test_an_installation_speaks_for_the_sites_that_it_is_on(app: dict[str, Any]) -> None:
    assert accepted(forge(app=app)).site_id == "site-one"


@pytest.mark.parametrize(
    "app",
    [
        installation(), installation("site-two"), installation(None), installation(["site-one"]), APP | {"installation": "site-one"},
        APP | {"installation": None}, APP | {"installation": {"contexts": "site-one"}}, APP | {"installation": {"contexts": 7}},
    ],
)
def test_and_for_no_other(app: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        accepted(forge(app=app))


@pytest.mark.parametrize(
    ("method", "path", "query", "canonical"),
    [  # each as Atlassian's own documentation has it
        ("GET", "/", "param=foo", "GET&/&param=foo"),
        ("Get", "/user/", "", "GET&/user&"),
        ("post", "/user", "", "POST&/user&"),
        ("GET", "/path/to/service", "zee_last=param&repeated=parameter+1&first=param&repeated=parameter%202",
         "GET&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param"),
        ("GET", "/path", "a=*~&jwt=ABC", "GET&/path&a=%2A~"),
    ],
)
def test_a_request_is_hashed_as_atlassian_hashes_it(method: str, path: str, query: str, canonical: str) -> None:
    assert query_hash(method, path, query) == hashlib.sha256(canonical.encode()).hexdigest()


def test_a_secret_on_its_way_out_is_good_until_it_is_gone_and_never_after() -> None:
    signed = {secret: hub_signature(secret, b"body") for secret in ("old", "new")}
    for live, good in ((["old"], ["old"]), (["old", "new"], ["old", "new"]), (["new"], ["new"])):
        for secret, header in signed.items():
            if secret in good:
                verify_hub_signature(live, b"body", header)
            else:
                with pytest.raises(Unauthenticated):
                    verify_hub_signature(live, b"body", header)


def test_every_live_secret_is_compared_whichever_matches_and_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(expected: bytes, given: bytes) -> bool:
        compared.append(given)
        return expected == given

    monkeypatch.setattr("shared.signatures.hmac.compare_digest", compare)
    verify_hub_signature(["old", "new"], b"body", hub_signature("old", b"body"))
    assert len(compared) == 2


@pytest.mark.parametrize("event", ["page_trashed", "page_updated", "space_removed"])
def test_a_signature_that_never_expires_needs_a_body_that_says_when(event: str) -> None:
    body = {"event": event, "page": {"id": 5, "version": 2}, "space": {"id": 7}}
    with pytest.raises(Refusal) as refused:
        translate_data_center(body, "site-one", CALLER, NOW)
    assert (refused.value.reason, refused.value.field) == (Reason.MALFORMED, "/timestamp")
    assert translate_data_center(body | {"timestamp": int(NOW.timestamp() * 1000)}, "site-one", CALLER, NOW).fact is not None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that keys see."""
    seconds = [100.0]
    monkeypatch.setattr("shared.keys.time.monotonic", lambda: seconds[0])
    return seconds


@pytest.mark.asyncio
async def test_a_key_that_its_owner_withdrew_is_soon_trusted_no_longer(tmp_path: Path, clock: list[float]) -> None:
    """Though no token names a new one."""
    path, compromised = tmp_path / "keys.json", forge()
    path.write_text(json.dumps(KeySet([KEY]).as_dict(private=False)))
    async with httpx.AsyncClient() as client:
        source = KeySource(str(path), client)
        assert set(await source.keys_for(compromised)) == {"k1"}
        path.write_text(json.dumps(KeySet([OTHER]).as_dict(private=False)).replace("k1", "k2"))
        assert set(await source.keys_for(compromised)) == {"k1"}
        clock[0] += KEEP_SECONDS
        await source.keys_for(compromised)
        assert source._again is not None
        await source._again
        assert set(await source.keys_for(compromised)) == {"k2"}


@pytest.mark.asyncio
async def test_while_the_owner_cannot_be_asked_the_known_keys_stay_and_then_change(clock: list[float]) -> None:
    answers: list[httpx.Response | Exception] = [
        httpx.Response(200, json=KeySet([KEY]).as_dict(private=False)), httpx.ConnectError("away"), httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"keys": "none"}), httpx.Response(302, headers={"location": "https://attacker.example"}),
    ]

    def answer(_: httpx.Request) -> httpx.Response:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        source = KeySource("https://keys.example/jwks.json", client)
        await source.keys_for(forge())
        while answers:
            clock[0] += REFRESH_SECONDS
            assert set(await source.keys_for(forge(kid="k9"))) == {"k1"}
        answers.append(httpx.Response(200, json=json.loads(json.dumps(KeySet([OTHER]).as_dict(private=False)).replace("k1", "k9"))))
        clock[0] += REFRESH_SECONDS
        assert set(await source.keys_for(forge(kid="k9"))) == {"k9"}
