"""How far ``decision`` is behind: what bounds the log, and with it how much is accepted that nobody decides yet."""

import asyncio

import structlog
from aiokafka.errors import KafkaError

from services.command import metrics
from shared.contracts.reasons import Reason
from shared.lags import Lags
from shared.problems import Refusal

RETRY_AFTER = 5
"""Seconds, told to who is turned away: time enough for ``decision`` to take tens of thousands of records off the log."""


class Backlog:
    """How many records of ``intake.v1`` wait for ``decision``, as last measured."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0

    def tell(self, waiting: int) -> None:
        """So many wait now."""
        self._waiting = waiting
        metrics.BACKLOG.set(waiting)

    def check(self) -> None:
        """:raises Refusal: too many wait already."""
        if self._waiting > self._limit:
            raise Refusal(Reason.UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER)})


async def keep_measuring(lags: Lags, backlog: Backlog, seconds: float = 1.0) -> None:
    """Measure once in so many seconds, for ever. While the broker does not say, what it said last counts."""
    while True:
        try:
            [behind] = await lags.look()
            backlog.tell(behind.total)
        except (KafkaError, OSError) as error:
            structlog.get_logger().warning("backlog not measured", error=type(error).__name__)
        await asyncio.sleep(seconds)
