"""Waiting for the outcome of a command."""

import asyncio
from typing import Any

import httpx
import pytest

from shared.contracts.reasons import Reason
from shared.contracts.replies import Outcome
from tests.integration.command_stack import DECISION, Service, problem

pytestmark = pytest.mark.usefixtures("fresh")


async def waited(service: Service, reply: dict[str, Any], callers: int = 1) -> list[httpx.Response]:
    ask = [
        asyncio.create_task(service.post("/v1/approvals/5-1/decisions", DECISION, extra={"Prefer": "respond-async, wait=9"}))
        for _ in range(callers)
    ]
    records = await service.log.next(callers)
    assert {envelope.reply_partition for _, envelope in records} == {0}
    await service.log.send_junk()
    await service.log.reply(Outcome(site_id="site-one", command_id=str(records[0][1].id), **reply))
    return await asyncio.gather(*ask)


async def test_everyone_who_waits_for_an_outcome_gets_it(service: Service) -> None:
    for response in await waited(service, {"result": "applied", "version": 4, "approval_id": "5-1", "status": "approved"}, 3):
        assert (response.status_code, response.headers["preference-applied"], response.headers["etag"]) == (
            200,
            "wait=9",
            '"4"',
        )
        assert (response.json()["status"], response.json()["version"]) == ("approved", 4)


async def test_a_refusal_that_was_waited_for_says_why(service: Service) -> None:
    [response] = await waited(service, {"result": "refused", "reason": "four_eyes"})
    problem(response, Reason.FOUR_EYES)


async def test_an_outcome_that_does_not_come_in_time_is_looked_up_later(service: Service) -> None:
    response = await service.post("/v1/approvals/5-1/decisions", DECISION, extra={"Prefer": "wait=1"})
    assert (response.status_code, "preference-applied" in response.headers) == (202, False)
