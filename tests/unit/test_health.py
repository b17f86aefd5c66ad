"""What the health routes say, and how soon."""

import asyncio
import time

import httpx
from fastapi import FastAPI

from shared import health


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def fails() -> bool:
    raise ConnectionError


async def hangs() -> bool:
    """Even when it is cancelled, as a pool that waits for its server does."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(60)
    return True


async def ask(needed: dict[str, health.Check], shown: dict[str, health.Check]) -> tuple[int, dict[str, bool]]:
    app = FastAPI()
    app.include_router(health.router(needed, shown))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/health/ready")
        return answer.status_code, answer.json()


async def test_ready_is_what_has_all_it_needs_and_the_rest_is_only_shown() -> None:
    assert await ask({"log": yes}, {"database": no}) == (200, {"log": True, "database": False})
    assert await ask({"log": yes, "database": fails}, {}) == (503, {"log": True, "database": False})


async def test_a_check_that_never_ends_is_answered_for() -> None:
    began = time.monotonic()
    assert await ask({"database": hangs, "log": yes}, {}) == (503, {"database": False, "log": True})
    assert time.monotonic() - began < 5
