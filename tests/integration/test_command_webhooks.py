"""What Forge and Data Center tell the command service, over HTTP and on the real log."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.clock import now
from shared.contracts.base import Channel
from shared.contracts.facts import PageChange, PageChanged
from shared.contracts.reasons import Reason
from tests.integration.command_stack import Service, forge_hook, problem

pytestmark = pytest.mark.usefixtures("fresh")


async def test_a_page_event_is_on_the_log_before_it_is_answered(service: Service) -> None:
    response = await forge_hook(service)
    assert (response.status_code, response.content) == (204, b"")
    [(key, envelope)] = await service.log.next()
    assert key == b"site-one:31337"
    assert isinstance(envelope.data, PageChanged)
    assert (envelope.data.change, envelope.data.page_version, envelope.data.space_id) == (PageChange.UPDATED, 3, "4711")
    assert envelope.data.caller.channel is Channel.FORGE


async def test_the_same_event_again_carries_the_same_id(service: Service) -> None:
    at = now().isoformat()
    extras: tuple[dict[str, Any], ...] = (
        {},
        {"retryContext": {"retryCount": 1, "retryReason": "TIMEOUT_ERROR", "retryData": None}},
    )
    for extra in extras:
        assert (await forge_hook(service, eventCreatedDate=at, **extra)).status_code == 204
    (_, one), (_, two) = await service.log.next(2)
    assert (one.id, one.data) == (two.id, two.data)


async def test_an_event_of_no_consequence_is_answered_200_and_published_nowhere(service: Service) -> None:
    before = await service.log.positions()
    assert (await forge_hook(service, eventType="avi:confluence:liked:page")).status_code == 200
    assert await service.log.positions() == before
    metrics = (await service.client.get("/metrics")).text
    assert metrics.startswith("#")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"eventCreatedDate": (datetime.now(UTC) - timedelta(days=8)).isoformat()}, Reason.TIME_OUT_OF_RANGE),
        ({"eventCreatedDate": "9999-12-31T23:59:59Z"}, Reason.TIME_OUT_OF_RANGE),
        ({"eventCreatedDate": "0001-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE),
        ({"content": {"id": ["31337"]}}, Reason.MALFORMED),
        ({"content": {"id": "a\x00b"}}, Reason.MALFORMED),
        ({"context": {"cloudId": "site-two"}}, Reason.SITE_MISMATCH),
    ],
)
async def test_impossible_events_are_refused_and_published_nowhere(service: Service, changes: dict[str, Any], reason: Reason) -> None:
    before = await service.log.positions()
    problem(await forge_hook(service, **changes), reason)
    assert await service.log.positions() == before


async def test_data_center_signs_the_raw_body_for_its_site(service: Service) -> None:
    body = json.dumps({"timestamp": int(now().timestamp() * 1000), "event": "page_trashed", "userKey": "", "page": {"id": 5}}).encode()
    for site, signed_by, status in (
        ("dc-one", "dc-one", 204),
        ("dc-two", "dc-one", 401),
        ("dc-three", "dc-one", 401),
        ("", "dc-one", 401),
    ):
        found = await service.client.post(
            "/webhooks/data-center",
            params={"site": site},
            content=body,
            headers=service.issuer.data_center(signed_by, body),
        )
        assert found.status_code == status
    [(key, _)] = await service.log.next()
    assert key == b"dc-one:5"


async def test_a_person_tells_no_facts_however_good_their_token(service: Service) -> None:
    before = await service.log.positions()
    for event in ("avi:confluence:trashed:page", "avi:confluence:deleted:space:V2", "avi:forge:uninstalled:app"):
        body = {"eventType": event, "content": {"id": "5", "space": {"id": 1}}, "space": {"id": 1}}
        problem(await service.post("/webhooks/forge", body, "712020:mallory"), Reason.NOT_PERMITTED)
    assert await service.log.positions() == before
