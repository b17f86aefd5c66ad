"""Hundreds of tokens that should open nothing, at each door of the service as it runs: one answer to all of them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import orjson
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from services.local.child import free_port
from services.local.issuer import LocalIssuer
from services.local.provider import application
from services.local.served import served
from shared.clock import now
from shared.contracts.reasons import Reason
from tests.doors import INSTALLED, RESET, Door, doors
from tests.hostile import hostile
from tests.integration.command_stack import BASE_URL, Service, problem

Answer = tuple[int, bytes, list[tuple[bytes, bytes]]]
DOORS = ("forge", "connect", "install", "openid")


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> LocalIssuer:
    """Who signs for every door, the provider that people sign in with among them."""
    return LocalIssuer.load_or_create(tmp_path_factory.mktemp("state"), provider=f"http://127.0.0.1:{free_port()}")


@pytest_asyncio.fixture(scope="module")
async def opened(service: Service, issuer: LocalIssuer) -> AsyncIterator[dict[str, Door]]:
    """Every door in use: the provider listens, and a tenant has installed the app."""
    async with served(application(issuer, "http://console.test"), issuer.provider):
        named = {"Authorization": f"JWT {issuer.install(BASE_URL, INSTALLED)}"}
        response = await service.client.post(INSTALLED, json=issuer.install_body(), headers=named)
        assert response.status_code == 204, response.text
        yield {door.name: door for door in doors(issuer)}


@pytest_asyncio.fixture(scope="module")
async def nobody(service: Service) -> Answer:
    """The answer to somebody who brings no token."""
    response = await service.client.post(RESET, json={})
    problem(response, Reason.UNAUTHENTICATED)
    return answer(response)


def answer(response: httpx.Response) -> Answer:
    """All that a caller sees, byte for byte."""
    return response.status_code, response.content, sorted(response.headers.raw)


async def knock(service: Service, door: Door, authorization: bytes) -> httpx.Response:
    """One request to a place behind this door."""
    named = [(b"Authorization", authorization), (b"Idempotency-Key", b"any")]
    return await service.client.post(door.path, json=door.body, headers=named)


def shown(door: Door, token: str) -> bytes:
    """The header with this token."""
    return f"{door.scheme} {token}".encode()


@pytest.mark.parametrize("name", DOORS)
async def test_a_good_token_opens_its_door(service: Service, opened: dict[str, Door], name: str) -> None:
    """What is taken apart and signed here is what the others differ from in one thing each."""
    response = await knock(service, opened[name], shown(opened[name], opened[name].token()))
    assert response.status_code in (202, 204), response.text
    spaced = await knock(service, opened[name], shown(opened[name], opened[name].token()).replace(b" ", b"  ", 1))
    assert spaced.status_code in (202, 204), spaced.text


@pytest.mark.parametrize("name", DOORS)
async def test_no_hostile_token_does_and_all_get_one_answer(
    service: Service, opened: dict[str, Door], nobody: Answer, name: str,
) -> None:
    tokens = hostile(opened[name])
    assert len(tokens) >= 200
    before = await service.log.positions()
    answers = {what: answer(await knock(service, opened[name], shown(opened[name], token))) for what, token in tokens.items()}
    assert {what: got[:2] for what, got in answers.items() if got != nobody} == {}
    assert await service.log.positions() == before


async def test_a_token_of_one_door_opens_no_other(service: Service, opened: dict[str, Door], nobody: Answer) -> None:
    for door in opened.values():
        for other in opened.values():
            if door is not other:
                assert answer(await knock(service, door, shown(door, other.token()))) == nobody, (door.name, other.name)


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("around", [b"%s\xa0", b"%s\x85", b"\t%s", b"%s\t", b"%s, Basic eDp4", b"%s %s", b'"%s"', b"token=%s", b"<%s>"])
async def test_nothing_may_stand_around_a_token(
    service: Service, opened: dict[str, Door], nobody: Answer, name: str, around: bytes,
) -> None:
    door = opened[name]
    value = around.replace(b"%s", door.token().encode())
    assert answer(await knock(service, door, door.scheme.encode() + b" " + value)) == nobody


PIECES = st.sampled_from(
    [b"Bearer", b"JWT", b"OpenID", b"Basic", b" ", b".", b"..", b"eyJhbGciOiJub25lIn0", b"e30", b"=", b",", b"\t", b"\x00", b"\xff"],
)


@examples(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.one_of(st.binary(max_size=200), st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=12).map(b"".join)))
async def test_nothing_made_up_is_taken_for_a_token(service: Service, opened: dict[str, Door], nobody: Answer, header: bytes) -> None:
    for door in (opened["forge"], opened["install"]):
        assert answer(await knock(service, door, header)) == nobody


async def test_a_delivery_caught_long_ago_is_refused_though_it_is_well_signed(service: Service, opened: dict[str, Door]) -> None:
    """Nothing of it expires but what the body says of its own time."""
    caught = now() - timedelta(seconds=service.settings.max_past_seconds + 1)
    body = orjson.dumps({"event": "page_trashed", "timestamp": int(caught.timestamp() * 1000), "page": {"id": 5}})
    named, before = service.issuer.data_center("local-dc", body), await service.log.positions()
    problem(await service.client.post("/webhooks/data-center?site=local-dc", content=body, headers=named), Reason.TIME_OUT_OF_RANGE)
    again = {"Authorization": f"JWT {service.issuer.connect(None, 'POST', '/webhooks/connect/page_trashed')}"}
    problem(await service.client.post("/webhooks/connect/page_trashed", content=body, headers=again), Reason.TIME_OUT_OF_RANGE)
    assert await service.log.positions() == before


async def test_a_token_shown_again_asks_for_the_same_under_the_same_key_only(service: Service, opened: dict[str, Door]) -> None:
    door = opened["forge"]
    token = {"Authorization": shown(door, door.token()).decode()}
    ids = [
        (await service.client.post(RESET, headers={**token, "Idempotency-Key": key})).json()["command_id"]
        for key in ("first", "first", "second")
    ]
    assert ids[0] == ids[1] != ids[2]
