"""The real ``decision``, whose consumer falls silent on SIGUSR1: what fetches for it ends, and nothing says so.

It stays in its group, keeps its partitions and beats its heart, as aiokafka has been seen to do.
"""

import signal
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher

from services.decision.settings import Settings
from services.decision.wiring import build
from shared.process import run


def main() -> None:
    """Run until told to stop."""
    fetchers: list[Fetcher] = []
    original = AIOKafkaConsumer.start

    async def start(self: Any) -> None:
        await original(self)
        if self._group_id is not None:
            fetchers.append(self._fetcher)

    def fall_silent(*_: object) -> None:
        for fetcher in fetchers:
            fetcher._fetch_task.cancel()

    AIOKafkaConsumer.start = start
    signal.signal(signal.SIGUSR1, fall_silent)
    run("decision", Settings(), build)


if __name__ == "__main__":
    main()
