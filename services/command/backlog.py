"""How far ``decision`` is behind: what bounds the log, and with it how much is accepted that nobody decides yet."""

from aiokafka.errors import KafkaError

from services.command import metrics
from shared.contracts.reasons import Reason
from shared.lags import Lags
from shared.problems import Refusal
from shared.process import keep

RETRY_AFTER = 5
"""Seconds, told to who is turned away: time enough for ``decision`` to take tens of thousands of records off the log."""


class Backlog:
    """How many records of ``intake.v1`` wait for ``decision``, as last measured."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0
        metrics.BACKLOG_LIMIT.set(limit)

    def tell(self, waiting: int) -> None:
        """So many wait now."""
        self._waiting = waiting
        metrics.BACKLOG.set(waiting)

    def check(self) -> None:
        """:raises Refusal: too many wait already."""
        if self._waiting > self._limit:
            raise Refusal(Reason.UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER)})


async def keep_measuring(lags: Lags, backlog: Backlog) -> None:
    """Measure every second, for ever."""
    async def look() -> None:
        [behind] = await lags.look()
        backlog.tell(behind.total)

    await keep(look, 1.0, (KafkaError, OSError), "backlog")
