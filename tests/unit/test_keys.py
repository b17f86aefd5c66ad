"""Where keys come from, and how often they are asked for."""

import json
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import KeySet

from shared.keys import KeySource
from shared.tokens import (
    verify_forge,
)
from tests.unit.signing import APP, KEY, NOW, OTHER, accepted, forge


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
