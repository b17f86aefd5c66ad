"""Who may have what waits in quarantine handled again, and under whose name that goes to the log."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.local import provider
from services.local.child import free_port
from services.local.issuer import LocalIssuer
from services.local.served import served
from shared.contracts.base import Channel, Licence
from shared.contracts.commands import ReleaseQuarantine
from shared.contracts.reasons import Reason
from tests.integration.command_stack import Service, problem

pytestmark = pytest.mark.usefixtures("fresh")
PATH = "/v1/quarantine/releases"


@pytest.fixture(scope="module")
async def issuer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalIssuer]:
    """Who signs, with a provider that says by which keys."""
    one = LocalIssuer.load_or_create(tmp_path_factory.mktemp("state"), provider=f"http://127.0.0.1:{free_port()}")
    async with served(provider.application(one, "http://console.test"), one.provider):
        yield one


async def asked(service: Service, body: Any, *, operator: bool = True, key: str = "key-1") -> httpx.Response:
    """Ola asks, signed in to the console on a site of her own."""
    token = service.issuer.identity("operations", "ola", operator)
    return await service.client.post(PATH, json=body, headers={"Authorization": f"OpenID {token}", "Idempotency-Key": key})


@pytest.mark.parametrize(("key", "site"), [("site-one:900", "site-one"), ("site-one", "site-one"), ("?3/17", "no-site"), ("", "no-site")])
async def test_an_operator_releases_a_key_of_any_site_in_their_own_name(service: Service, key: str, site: str) -> None:
    response = await asked(service, {"key": key})
    assert response.status_code == 202, response.text
    [(record_key, envelope)] = await service.log.next()
    command = envelope.data
    assert isinstance(command, ReleaseQuarantine)
    assert (record_key, command.key, command.site_id, command.set_aside) == (key.encode(), key, site, False)
    caller = command.caller
    assert (caller.channel, caller.account_id, caller.operator, caller.app) == (Channel.CONSOLE, "ola", True, False)
    assert (str(envelope.id), caller.licence) == (response.json()["command_id"], Licence.UNKNOWN)


async def test_a_repeat_is_the_same_command_and_another_body_under_its_key_is_refused(service: Service) -> None:
    body = {"key": "site-one:900", "set_aside": True}
    first, again = await asked(service, body), await asked(service, body)
    assert first.json() == again.json()
    problem(await asked(service, {"key": "site-one:901"}), Reason.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")


@pytest.mark.parametrize("account", ["712020:ann", None], ids=["person", "app"])
async def test_neither_a_person_nor_the_app_by_forge_token(service: Service, account: str | None) -> None:
    before = await service.log.positions()
    problem(await service.post(PATH, {"key": "site-one:900"}, account), Reason.NOT_PERMITTED)
    assert await service.log.positions() == before


async def test_no_visitor_of_the_console_who_is_no_operator(service: Service) -> None:
    before = await service.log.positions()
    problem(await asked(service, {"key": "site-one:900"}, operator=False), Reason.NOT_PERMITTED)
    problem(await service.client.post(PATH, json={"key": "x"}, headers={"Idempotency-Key": "k"}), Reason.UNAUTHENTICATED)
    assert await service.log.positions() == before


@pytest.mark.parametrize(
    "body", [{}, {"key": 1}, {"key": "a\x00b"}, {"key": "k" * 2001}, {"key": "k", "caller": {}}, {"key": "k", "set_aside": "yes"}],
)
async def test_a_body_that_is_none_is_refused(service: Service, body: Any) -> None:
    before = await service.log.positions()
    problem(await asked(service, body), Reason.MALFORMED)
    assert await service.log.positions() == before


async def test_what_is_not_an_operators_says_nothing_of_operators_on_the_log(service: Service) -> None:
    """A reader that does not know the field refuses what has it."""
    await service.post("/v1/pages/900/approvals", {"page_version": 1, "space_id": "4711", "workflow_id": "wf-1"})
    [(_, envelope)] = await service.log.next()
    assert b"operator" not in envelope.data.model_dump_json().encode()
