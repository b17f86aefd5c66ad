"""Each shape Forge sends, rewritten with our own values, and what it becomes."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.command.domain import Translation
from services.command.translate_forge import translate
from shared.contracts.facts import AppChanged, PageChange, PageChanged, SpaceChanged
from shared.contracts.reasons import Reason
from shared.problems import Refusal
from tests.unit.translated import CALLER, NOW, SITE, page

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
