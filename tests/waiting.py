"""The one way tests wait for another process: by asking again, under a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(answer: Callable[[], Awaitable[T]], seconds: float = 30) -> T:
    """The first answer that is true.

    :raises TimeoutError: there was none within ``seconds``.
    """
    async with asyncio.timeout(seconds):
        while not (found := await answer()):
            await asyncio.sleep(0.05)
    return found
