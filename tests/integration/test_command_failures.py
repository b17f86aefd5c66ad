"""The command service when what it needs is away or too much is asked of it, and what it says of itself."""

import asyncio
from typing import Any

import pytest

from services.command.settings import Settings
from services.local.issuer import LocalIssuer
from shared.contracts.reasons import Reason
from tests.integration.command_stack import Service, forge_hook, problem, running
from tests.integration.test_command_connect import connect
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("fresh")


async def test_a_log_that_does_not_answer_is_503_and_the_same_key_goes_on(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from faststream.kafka import KafkaBroker  # noqa: PLC0415

    async def never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(KafkaBroker, "publish", never)
        found = await asyncio.gather(service.post("/v1/approvals/5-1/reset", None), forge_hook(service))
        for response in found:
            problem(response, Reason.UNAVAILABLE)
            assert response.headers["retry-after"]
    assert (await service.post("/v1/approvals/5-1/reset", None)).status_code == 202
    await service.log.next()


async def test_more_at_once_than_allowed_are_turned_away_at_once(settings: Settings, issuer: LocalIssuer) -> None:
    async with running(settings.model_copy(update={"max_in_flight": 1}), issuer) as small:
        found = await asyncio.gather(*(forge_hook(small) for _ in range(30)))
        assert {response.status_code for response in found} == {204, 503}
        assert (await forge_hook(small)).status_code == 204


@pytest.mark.parametrize(
    ("error", "status"), [(ConnectionResetError("secret"), 503), (KeyError("secret"), 500)],
)
async def test_failures_are_problems_and_say_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    async def fails(*_: Any) -> None:
        raise error

    async def noticed() -> bool:
        return bool((await service.client.get("/health/ready")).json()["database"])

    with monkeypatch.context() as patch:
        patch.setattr("services.command.store.tenant", fails)
        response = await connect(service, "POST", "/v1/approvals/5-1/reset", None)
    problem(response, Reason.UNAVAILABLE, status=status)
    assert "secret" not in response.text
    await until(noticed)


async def test_health_and_the_document(service: Service) -> None:
    assert (await service.client.get("/health/ready")).json() == {"log": True, "database": True}
    document = (await service.client.get("/openapi.json")).json()
    assert "/v1/approvals/{approval_id}/decisions" in document["paths"]
    missing = [ref for ref in _refs(document) if ref.removeprefix("#/components/schemas/") not in document["components"]["schemas"]]
    assert missing == []


def _refs(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for value in node.values() for ref in _refs(value)]
    return [ref for value in node for ref in _refs(value)] if isinstance(node, list) else []
