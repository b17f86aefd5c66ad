"""Each shape Connect and Data Center send, rewritten with our own values, and what it becomes."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from services.command.domain import Translation
from services.command.translate_hooks import translate_connect, translate_data_center
from shared.contracts.facts import PageChange, PageChanged, SpaceChanged
from shared.contracts.reasons import Reason
from shared.problems import Refusal
from tests.unit.translated import CALLER, NOW, SITE, page

MS = int(NOW.timestamp() * 1000)
CLOUD: dict[str, Any] = {
    "page": {
        "idAsString": "31337",
        "id": 31337,
        "creatorAccountId": "712020:bob",
        "lastModifierAccountId": "712020:ann",
        "spaceKey": "POL",
        "spaceId": 4711,
        "creationDate": MS - 9000,
        "modificationDate": MS - 10,
        "version": 3,
        "self": "https://mine.example/wiki/spaces/POL/pages/31337/Travel",
        "title": "Travel policy",
        "contentType": "page",
    },
    "accountType": "customer",
    "timestamp": MS,
    "userAccountId": "712020:ann",
    "updateTrigger": "edit_page",
}


def connect(event: str, body: dict[str, Any]) -> Translation:
    return translate_connect(event, body, SITE, CALLER, NOW)


def cloud(**changes: Any) -> dict[str, Any]:
    body = deepcopy(CLOUD)
    body["page"] = {name: value for name, value in (body["page"] | changes).items() if value is not ...}
    return body


@pytest.mark.parametrize(
    "body",
    [
        CLOUD,
        cloud(id="31337"),
        cloud(id=...),
        cloud(idAsString=...),
        cloud(idAsString=..., id="31337"),
        cloud(version="3"),
        cloud(self="https://mine.example/wiki/spaces/POL/overview", title=...),
        CLOUD | {"suppressNotifications": False, "eventType": "page_updated", "transformedAt": "2026-11-02T09:30:00.081"},
        cloud(version={"number": "3"}),
        cloud(spaceId=..., spaceKey=...) | {"space": {"id": 4711, "key": "POL"}},
    ],
    ids=[
        "numeric",
        "string",
        "only-as-string",
        "only-number",
        "only-string",
        "version-text",
        "space-home",
        "forwarder",
        "version-object",
        "space-beside",
    ],
)
def test_cloud_bodies(body: dict[str, Any]) -> None:
    assert page(connect("page_updated", body)) == PageChanged(
        site_id=SITE,
        caller=CALLER,
        happened_at=NOW,
        page_id="31337",
        change=PageChange.UPDATED,
        page_version=3,
        space_id="4711",
        author_id="712020:bob",
        editor_id="712020:ann",
    )


@pytest.mark.parametrize("change", list(PageChange))
@pytest.mark.parametrize("key", ["page", "blog"])
def test_connect_events_are_named_by_the_path(change: PageChange, key: str) -> None:
    found = page(connect(f"{key}_{change}", {key: CLOUD["page"], "timestamp": MS}))
    assert (found.change, found.page_id) == (change, "31337")


def test_a_legacy_body_names_people_by_user_key() -> None:
    fact = page(
        connect(
            "page_created",
            {
                "page": {
                    "spaceKey": "~ann",
                    "creatorKey": "ff80aa",
                    "lastModifierKey": "ff80bb",
                    "creatorName": "ann",
                    "id": 31337,
                    "title": "Travel",
                    "modificationDate": MS,
                    "version": 1,
                },
                "user": "ann",
                "userKey": "ff80aa",
                "timestamp": MS,
                "username": "ann",
            },
        )
    )
    assert (fact.space_id, fact.author_id, fact.editor_id, fact.page_version) == ("~ann", "ff80aa", "ff80bb", 1)


def test_an_automation_rule_sends_no_time() -> None:
    body = {
        "page": {"id": "31337", "title": "Travel", "version": {"number": "3"}},
        "space": {"key": "POL"},
        "userAccountId": "712020:ann",
    }
    found = connect("page_updated", body)
    fact = page(found)
    assert (fact.page_version, fact.space_id, fact.editor_id, fact.happened_at) == (3, "POL", "712020:ann", NOW)
    assert translate_connect("page_updated", body, SITE, CALLER, NOW + timedelta(minutes=1)).id == found.id


def test_connect_space_removed() -> None:
    fact = connect("space_removed", {"space": {"key": "POL", "id": 4711}, "timestamp": MS}).fact
    assert isinstance(fact, SpaceChanged)
    assert (fact.space_id, fact.change) == ("4711", "removed")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("comment_created", "comment"),
        ("label_added", "label"),
        ("attachment_viewed", "attachment"),
        ("page_viewed", "other"),
        ("content_updated", "other"),
        ("space_permissions_updated", "other"),
        ("user_created", "user"),
        ("x" * 5000, "other"),
    ],
)
def test_connect_events_that_are_let_be(event: str, kind: str) -> None:
    comment = {"comment": {"id": "5", "parent": CLOUD["page"]}, "timestamp": MS}
    assert connect(event, comment) == Translation(kind)


def data_center(**body: Any) -> Translation:
    return translate_data_center(body, SITE, CALLER, NOW)


def test_data_center_sends_ids_only() -> None:
    found = page(data_center(timestamp=MS, event="page_updated", userKey="ff80aa", page={"id": 31337}, updateTrigger="edit_page"))
    assert (found.page_id, found.page_version, found.space_id, found.editor_id, found.author_id) == (
        "31337",
        None,
        None,
        "ff80aa",
        None,
    )
    created = page(data_center(timestamp=MS, event="page_created", userKey="ff80aa", page={"id": 31338}))
    assert (created.author_id, created.editor_id) == ("ff80aa", "ff80aa")


def test_data_center_anonymous_move() -> None:
    found = page(data_center(timestamp=MS, event="page_moved", userKey="", page={"id": 31337}, oldParent={"id": 1}, newParent={"id": 2}))
    assert (found.change, found.editor_id) == (PageChange.MOVED, None)


def test_data_center_events_that_are_let_be() -> None:
    assert data_center(timestamp=MS, event="content_permissions_updated", userKey="ff80aa", content={"id": 1}, type="Edit").fact is None
    assert data_center(test=True).fact is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (cloud(id=True, idAsString=...), "/page/id"),
        (cloud(id={}, idAsString=...), "/page/id"),
        (cloud(id=1.5, idAsString=...), "/page/id"),
        (cloud(id=..., idAsString=...), "/page_id"),
        (cloud(idAsString="a\x00b"), "/page_id"),
        (cloud(idAsString="a:b"), "/page_id"),
        (cloud(idAsString="9" * 200), "/page_id"),
        (cloud(version=0), "/page/version"),
        (cloud(version=[3]), "/page/version"),
        (cloud(version=True), "/page/version"),
        (cloud(version="three"), "/page/version"),
        (cloud(version=1 << 40), "/page/version"),
        (cloud(spaceId="a b"), "/space_id"),
        (cloud(spaceId=[1]), "/page/spaceId"),
        (CLOUD | {"page": []}, "/page"),
        (CLOUD | {"timestamp": "soon"}, "/timestamp"),
        (CLOUD | {"timestamp": -1}, "/timestamp"),
        (CLOUD | {"timestamp": 1e300}, "/timestamp"),
        (cloud(id=-5, idAsString=...), "/page/id"),
        (cloud(id=1 << 70, idAsString=...), "/page/id"),
    ],
)
def test_known_events_with_impossible_fields_are_malformed(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        connect("page_updated", body)
    assert (refused.value.reason, refused.value.field) == (Reason.MALFORMED, field)


@pytest.mark.parametrize("person", ["unknown", "", "a b", 7, None, "x" * 300])
def test_people_without_a_usable_account_are_no_one(person: object) -> None:
    assert page(connect("page_updated", cloud(lastModifierAccountId=person) | {"userAccountId": person})).editor_id is None
