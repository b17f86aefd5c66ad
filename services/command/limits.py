"""How many requests may be admitted at once or in a short time, and who is refused again and again."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from cachetools import TTLCache
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from services.command import metrics
from shared import problems
from shared.contracts.reasons import Reason
from shared.tokens import Principal

_ACTORS = 10_000
"""Of so many actors at most it is remembered how often they were refused."""


class Repeats:
    """Tells of an actor refused ``limit`` times, each within ``seconds`` of the one before."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._counts: TTLCache[tuple[str, str], int] = TTLCache(_ACTORS, seconds)

    @contextmanager
    def watching(self, principal: Principal) -> Iterator[None]:
        """Count a refusal of the block as this actor's."""
        try:
            yield
        except problems.Refusal as refusal:
            if refusal.reason is not Reason.UNAVAILABLE:  # which is our own fault
                self._note((principal.site_id, principal.caller.account_id or ""))
            raise

    def _note(self, actor: tuple[str, str]) -> None:
        self._counts[actor] = self._counts.get(actor, 0) + 1
        if self._counts[actor] % self._limit == 0:
            metrics.REPEATS.add(1)
            structlog.get_logger().warning("refused again and again", site_id=actor[0], count=self._counts[actor])


class Rates:
    """How many commands one actor, and one site, may ask of this process within ``seconds``; 0: as many as they like.

    What is kept is one moment for each request of the last ``seconds``, so it is bounded by what the process can answer.
    """

    def __init__(self, actor: int, site: int, seconds: int) -> None:
        self._kept = MovingWindowRateLimiter(MemoryStorage())
        self._actor, self._site = (RateLimitItemPerSecond(most, seconds) if most else None for most in (actor, site))

    def take(self, principal: Principal) -> None:
        """Count one more. One that is refused counts for neither.

        :raises Refusal: it is one too many; when to come again is in its headers.
        """
        site = principal.site_id
        wanted = ((self._actor, (site, principal.caller.account_id or "")), (self._site, (site,)))
        for most, of in wanted:
            if most is not None and not self._kept.test(most, *of):
                wait = math.ceil(self._kept.get_window_stats(most, *of).reset_time - time.time())
                raise problems.Refusal(Reason.RATE_LIMITED, headers={"Retry-After": str(max(1, wait))})
        for most, of in wanted:
            if most is not None:
                self._kept.hit(most, *of)


class InFlight:
    """Counts what is being admitted; above the bound it refuses at once, since waiting would only move the queue."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    @property
    def count(self) -> int:
        """How many are being admitted now."""
        return self._count

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold one place.

        :raises Refusal: there is none.
        """
        if self._count >= self._limit:
            raise problems.Refusal(Reason.UNAVAILABLE)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
