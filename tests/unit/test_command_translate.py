"""Each shape Confluence sends, rewritten with our own values, and what it becomes."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.command.domain import Translation, Window
from services.command.translate_forge import translate
from services.command.translate_hooks import translate_connect, translate_data_center
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.facts import AppChanged, PageChange, PageChanged, SpaceChanged
from shared.contracts.reasons import Reason
from shared.problems import Refusal

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
MS = int(NOW.timestamp() * 1000)
SITE = "c0ffee00-site"
CALLER = Caller(channel=Channel.FORGE, environment=Environment.PRODUCTION, licence=Licence.ACTIVE, app=True)
AT = "2026-11-02T09:29:58.907Z"
PERSON = {"type": "known", "accountId": "712020:ann", "email": "712020:ann", "displayName": "712020:ann"}
CONTENT: dict[str, Any] = {
    "id": "31337",
    "type": "page",
    "status": "current",
    "title": "Travel policy",
    "space": {"id": 4711, "key": "POL", "alias": "POL", "name": "Policies", "type": "global"},
    "history": {"latest": True, "createdBy": {**PERSON, "accountId": "712020:bob"}, "createdDate": AT},
    "version": {"by": PERSON, "when": AT, "number": 3},
}


def forge_page(name: str = "avi:confluence:updated:page", **changes: Any) -> dict[str, Any]:
    return {
        "eventType": name,
        "atlassianId": "712020:eve",
        "eventCreatedDate": AT,
        "content": deepcopy(CONTENT),
    } | changes


def forge(body: dict[str, Any]) -> Translation:
    return translate(body, SITE, CALLER, NOW)


def page(found: Translation) -> PageChanged:
    assert isinstance(found.fact, PageChanged)
    return found.fact


@pytest.mark.parametrize(
    ("verb", "change"),
    [
        ("created", PageChange.CREATED),
        ("updated", PageChange.UPDATED),
        ("trashed", PageChange.TRASHED),
        ("restored", PageChange.RESTORED),
        ("deleted", PageChange.REMOVED),
        ("moved", PageChange.MOVED),
        ("published", PageChange.PUBLISHED),
        ("archived", PageChange.ARCHIVED),
        ("unarchived", PageChange.UNARCHIVED),
    ],
)
@pytest.mark.parametrize("kind", ["page", "blogpost"])
def test_forge_page_events(verb: str, change: PageChange, kind: str) -> None:
    found = forge(forge_page(f"avi:confluence:{verb}:{kind}"))
    assert page(found) == PageChanged(
        site_id=SITE,
        caller=CALLER,
        happened_at=datetime(2026, 11, 2, 9, 29, 58, 907000, UTC),
        page_id="31337",
        change=change,
        page_version=3,
        space_id="4711",
        author_id="712020:bob",
        editor_id="712020:ann",
    )
    assert found.kind == f"page_{change}"


def test_forge_without_actor_version_space_or_title() -> None:
    fact = page(forge({"eventType": "avi:confluence:trashed:page", "content": {"id": 31337}}))
    assert (fact.page_id, fact.page_version, fact.space_id, fact.author_id, fact.editor_id) == (
        "31337",
        None,
        None,
        None,
        None,
    )
    assert fact.happened_at == NOW


def test_who_trashes_a_page_is_not_its_editor() -> None:
    body = forge_page("avi:confluence:trashed:page")
    del body["content"]["version"]["by"]
    assert page(forge(body)).editor_id is None
    assert page(forge(body | {"eventType": "avi:confluence:updated:page"})).editor_id == "712020:eve"


def test_a_space_without_an_id_is_known_by_its_key() -> None:
    body = forge_page()
    body["content"]["space"] = {"key": "~712020ann"}
    assert page(forge(body)).space_id == "~712020ann"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("avi:confluence:created:space:V2", "created"),
        ("avi:confluence:updated:space:V2", "updated"),
        ("avi:confluence:deleted:space:V2", "removed"),
        ("avi:confluence:deleted:space", "removed"),
    ],
)
def test_forge_space_events(name: str, change: str) -> None:
    space = {"id": 4711, "key": "POL", "name": "Policies", "history": {"createdBy": PERSON, "createdDate": AT}}
    fact = forge({"eventType": name, "atlassianId": "712020:ann", "eventCreatedDate": AT, "space": space}).fact
    assert isinstance(fact, SpaceChanged)
    assert (fact.space_id, fact.change) == ("4711", change)


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (
            {
                "id": "aa-bb",
                "installerAccountId": "712020:ann",
                "app": {"id": "cc", "version": "2.1.0", "name": "Approvals"},
                "environment": {"id": "dd"},
            },
            "installed",
        ),
        ({"eventType": "avi:forge:installed:app", "id": "aa-bb", "installerAccountId": "712020:ann"}, "installed"),
        ({"context": {"cloudId": SITE, "moduleKey": "goodbye"}, "contextToken": "opaque"}, "uninstalled"),
    ],
)
def test_forge_app_lifecycle(body: dict[str, Any], change: str) -> None:
    fact = forge(body).fact
    assert isinstance(fact, AppChanged)
    assert fact.change == change


@pytest.mark.parametrize(
    "body",
    [
        {"context": {"cloudId": "another-site", "moduleKey": "goodbye"}, "contextToken": "opaque"},
        forge_page(context={"cloudId": "another-site"}),
        forge_page(cloudId="another-site"),
    ],
)
def test_a_body_about_another_site_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        forge(body)
    assert refused.value.reason is Reason.SITE_MISMATCH


LABEL = {
    "eventType": "avi:confluence:added:label",
    "label": {"id": "1", "name": "x", "prefix": "global"},
    "content": CONTENT,
}
TASK = {
    "eventType": "avi:confluence:updated:task",
    "task": {"id": 1, "status": "complete"},
    "oldTask": {"id": 1},
    "content": CONTENT,
}
USER = {"eventType": "avi:confluence:created:user", "eventCreatedDate": AT, "user": PERSON}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (LABEL, "label"),
        (TASK, "task"),
        (USER, "user"),
        ({"eventType": "avi:confluence:created:comment"}, "comment"),
        ({"eventType": "avi:confluence:viewed:page"}, "other"),
        ({"eventType": "avi:forge:upgraded:app"}, "other"),
        ({"eventType": "something new"}, "other"),
        ({"eventType": ""}, "other"),
        ({}, "other"),
        ({"eventType": "avi:confluence:permissions_updated:space:V2"}, "other"),
        ({"results": [{"appId": "x"}]}, "other"),
    ],
)
def test_forge_events_that_are_let_be(body: dict[str, Any], kind: str) -> None:
    assert forge(body) == Translation(kind)


RETRY = {"retryCount": 2, "retryReason": "TIMEOUT_ERROR", "retryData": None}


@pytest.mark.parametrize(
    "body",
    [
        forge_page(retryContext=RETRY),
        forge_page(payload={"retryContext": RETRY}),
        {"payload": forge_page(retryContext=RETRY)},
    ],
)
def test_a_retry_is_the_same_event(body: dict[str, Any]) -> None:
    assert forge(body) == forge(forge_page())


def test_ids_tell_events_apart() -> None:
    other_site = translate(forge_page(), "another-site", CALLER, NOW)
    later = forge(forge_page(eventCreatedDate="2026-11-02T09:29:58.908Z"))
    version, subject = deepcopy(forge_page()), deepcopy(forge_page())
    version["content"]["version"]["number"], subject["content"]["id"] = 4, "31338"
    other = [forge(version), forge(subject), forge(forge_page("avi:confluence:trashed:page")), other_site, later]
    assert len({found.id for found in [forge(forge_page()), *other]}) == 6


def test_two_installs_are_two_events() -> None:
    body = {"installerAccountId": "712020:ann"}
    assert forge(body).id != translate(body, SITE, CALLER, NOW + timedelta(days=1)).id


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


@pytest.mark.parametrize(
    "changes",
    [
        {"eventCreatedDate": "yesterday"},
        {"eventCreatedDate": 7},
        {"content": "x"},
        {"content": {"id": "1", "version": {"by": "x"}}},
        {"eventType": 5},
        {"content": None},
        {"eventCreatedDate": "0001-01-01T00:00:00+23:59"},
    ],
)
def test_forge_events_with_impossible_fields_are_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        forge(forge_page(**changes))
    assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("person", ["unknown", "", "a b", 7, None, "x" * 300])
def test_people_without_a_usable_account_are_no_one(person: object) -> None:
    assert page(connect("page_updated", cloud(lastModifierAccountId=person) | {"userAccountId": person})).editor_id is None


@pytest.mark.parametrize(
    ("offset", "good"),
    [
        (timedelta(days=-7), True),
        (timedelta(days=-7, seconds=-1), False),
        (timedelta(minutes=5), True),
        (timedelta(minutes=5, seconds=1), False),
    ],
)
def test_times_far_off_are_refused(offset: timedelta, good: bool) -> None:
    window = Window(timedelta(days=7), timedelta(minutes=5))
    if good:
        window.check(NOW + offset, NOW, "/timestamp")
    else:
        with pytest.raises(Refusal) as refused:
            window.check(NOW + offset, NOW, "/timestamp")
        assert refused.value.reason is Reason.TIME_OUT_OF_RANGE
