"""How many requests may be admitted at once, and who is refused again and again."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from cachetools import TTLCache

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
