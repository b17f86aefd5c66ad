"""Many pages approved at once: two of three reviewers are counted whoever is first, then one releases."""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import count
from random import Random

from services.local.site.people import People

COMMANDS_A_PAGE = 5
"""A submission, three reviews at the same moment, a release."""


async def flow(
    everybody: Sequence[People], seed: int, seconds: float, lanes: int, rate: float | None = None,
    notice: Callable[[float], None] = lambda _: None,
) -> int:
    """Pages approved in ``lanes`` at once, for this long; ``rate`` bounds commands a second. How many pages it was."""
    numbers, began, done = count(), time.perf_counter(), 0

    async def lane() -> None:
        nonlocal done
        while time.perf_counter() - began < seconds:
            number = next(numbers)
            if rate is not None and not await _in_turn(began + number * COMMANDS_A_PAGE / rate, began + seconds):
                return
            await _page(everybody[number % len(everybody)], Random(f"{seed}:{number}"))  # noqa: S311 - made to be repeated
            done += 1
            notice(min(seconds, time.perf_counter() - began))

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())
    return done


async def _in_turn(due: float, end: float) -> bool:
    """Wait until it is this page's turn; False if that is after the end."""
    if due >= end:
        return False
    await asyncio.sleep(max(0.0, due - time.perf_counter()))
    return True


async def _page(p: People, random: Random) -> None:
    page = await p.new_page()
    approval = await p.submit(page)
    if random.random() < 0.1:
        await p.happens(page, "updated", "author", times=random.choice((1, 2)))
        await p.decide("milo", approval, 1, "page_version_stale")
    reviewers = ["lena", "milo", random.choice(("nora", "otto"))]
    random.shuffle(reviewers)
    await p.together(reviewers, approval, page.version, ("applied", "applied", "not_an_approver"))
    await p.decide("release", approval, page.version)
