"""Every shape that Confluence sends, kept as files with our own values, and the one thing each becomes."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from services.command.domain import Translation
from services.command.lifecycle import Installed
from services.command.translate_forge import translate
from services.command.translate_hooks import translate_connect, translate_data_center
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.facts import AppChanged, Fact, PageChange, PageChanged, SpaceChanged
from shared.tokens import query_hash, verify_forge

PAYLOADS = Path(__file__).parents[1] / "fixtures" / "payloads"
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
AT = datetime(2026, 11, 2, 9, 29, 58, 907000, UTC)
SITE = "handbook-site"
CALLER = Caller(channel=Channel.FORGE, environment=Environment.PRODUCTION, licence=Licence.ACTIVE, app=True)
LENA, OMAR = "712020:lena", "712020:omar"


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def sent(name: str) -> Translation:
    """What becomes of it on the channel and at the address that its name says."""
    channel, event = name.split(".")[:2]
    if channel == "forge":
        return translate(payload(name), SITE, CALLER, NOW)
    if channel == "data_center":
        return translate_data_center(payload(name), SITE, CALLER, NOW)
    return translate_connect(event, payload(name), SITE, CALLER, NOW)


def page(change: PageChange, **changes: Any) -> PageChanged:
    return PageChanged(**{
        "site_id": SITE, "caller": CALLER, "happened_at": AT, "page_id": "470021", "change": change, "page_version": 6,
        "space_id": "61003", "author_id": LENA, "editor_id": OMAR, **changes,
    })


def ids_only(change: PageChange, author: str | None, editor: str | None) -> PageChanged:
    return page(change, page_id="91001", page_version=None, space_id=None, author_id=author, editor_id=editor)


UPDATED = page(PageChange.UPDATED)
LEGACY = {"page_id": "470300", "page_version": 1, "space_id": "~lena", "author_id": "ff8080aa01", "editor_id": "ff8080aa01"}
EXPECTED: dict[str, Fact | str] = {
    "forge.created_page": page(PageChange.CREATED, page_version=1, editor_id=LENA),
    "forge.created_space_v2": SpaceChanged(site_id=SITE, caller=CALLER, happened_at=AT, space_id="61003", change="created"),
    "forge.created_user": "user",
    "forge.added_label": "label",
    "forge.updated_task": "task",
    "forge.installed_app": AppChanged(site_id=SITE, caller=CALLER, happened_at=NOW, change="installed"),
    "forge.pre_uninstall": AppChanged(site_id=SITE, caller=CALLER, happened_at=NOW, change="uninstalled"),
    "forge.retried_page": UPDATED,
    "forge.retry_context_alone": "other",
    "forge.licence_reply": "other",
    "connect.page_updated": UPDATED,
    "connect.page_updated.string_id": UPDATED,
    "connect.page_updated.forwarder": UPDATED,
    "connect.page_updated.automation": page(PageChange.UPDATED, happened_at=NOW, space_id="HAND", author_id=None),
    "connect.page_created.legacy": page(PageChange.CREATED, **LEGACY),
    "connect.comment_created": "comment",
    "data_center.page_created": ids_only(PageChange.CREATED, "ff8081bb07", "ff8081bb07"),
    "data_center.page_updated": ids_only(PageChange.UPDATED, None, "ff8081bb07"),
    "data_center.page_moved.anonymous": ids_only(PageChange.MOVED, None, None),
    "data_center.content_permissions_updated": "other",
}
"""The fact, or the family of what is let be."""
ELSEWHERE = {"lifecycle.installed", "token.forge_claims", "token.connect_qsh"}
"""Not translated into facts: each has its own test below."""


def test_every_payload_has_its_expectation() -> None:
    assert {path.stem for path in PAYLOADS.glob("*.json")} == EXPECTED.keys() | ELSEWHERE


@pytest.mark.parametrize("name", EXPECTED)
def test_a_payload_becomes_its_fact_or_is_let_be(name: str) -> None:
    expected, found = EXPECTED[name], sent(name)
    if isinstance(expected, str):
        assert found == Translation(expected)
    else:
        assert found.fact == expected
        assert found.id is not None


def test_an_install_is_read_whatever_else_it_says() -> None:
    tenant = Installed.model_validate(payload("lifecycle.installed"))
    assert (tenant.client_key, str(tenant.base_url)) == ("tenant-7", "https://handbook.example/wiki")


def test_claims_of_a_forge_token_prove_a_person_outside_production() -> None:
    claims, key = payload("token.forge_claims"), RSAKey.generate_key(2048, {"kid": "k"})
    found = verify_forge(jwt.encode({"alg": "RS256", "kid": "k"}, claims, key), {"k": key}, claims["aud"], NOW + timedelta(seconds=5))
    assert (found.site_id, found.token_id) == (SITE, "3a5e0c")
    assert found.caller == Caller(
        channel=Channel.FORGE, environment=Environment.OTHER, licence=Licence.ACTIVE, account_id=OMAR,
    )


def test_a_connect_request_is_hashed_in_its_canonical_form() -> None:
    vector = payload("token.connect_qsh")
    request = vector["request"]
    canonical = hashlib.sha256(vector["canonical_request"].encode()).hexdigest()
    assert query_hash(request["method"], request["path"], request["query"]) == canonical
    assert query_hash(request["method"], request["path"], request["query"] + "&jwt=x.y.z") == canonical
