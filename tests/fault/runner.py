"""The real ``decision``, with one collaborator wrapped so that the process sends itself a signal at a chosen point.

Run as ``python -m tests.fault.runner POINT NTH SIGNAL``: at the nth time that the point is reached.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer
from asyncpg.connection import Connection
from asyncpg.transaction import Transaction

from services.decision.settings import Settings
from services.decision.wiring import build
from shared.kafka import BatchPublisher, Outgoing
from shared.process import run

Arrived = Callable[[], None]
Around = Callable[[Any], Callable[..., Any]]


def opening(arrived: Arrived) -> None:
    """After the read, before the transaction that writes begins."""

    def around(original: Any) -> Callable[..., Any]:
        def transaction(self: Connection, **options: Any) -> Any:
            arrived()
            return original(self, **options)

        return transaction

    _wrap(Connection, "transaction", around)


def closing(arrived: Arrived) -> None:
    """After everything is written, before the transaction is committed."""

    def around(original: Any) -> Callable[..., Any]:
        async def leave(self: Transaction, *error: Any) -> None:
            arrived()
            await original(self, *error)

        return leave

    _wrap(Transaction, "__aexit__", around)


def written(arrived: Arrived) -> None:
    """After the database commit, before anything is published."""

    def around(original: Any) -> Callable[..., Any]:
        async def publish(self: BatchPublisher, messages: Iterable[Outgoing]) -> None:
            if telling := list(messages):
                arrived()
            await original(self, telling)

        return publish

    _wrap(BatchPublisher, "publish", around)


def half_told(arrived: Arrived) -> None:
    """When the first half of what a batch tells is acknowledged, and the other half is not sent."""

    def around(original: Any) -> Callable[..., Any]:
        async def publish(self: BatchPublisher, messages: Iterable[Outgoing]) -> None:
            telling = list(messages)
            half = len(telling) // 2
            await original(self, telling[:half])
            if telling:
                arrived()
            await original(self, telling[half:])

        return publish

    _wrap(BatchPublisher, "publish", around)


def told(arrived: Arrived) -> None:
    """After everything is acknowledged, before the offsets are committed."""

    def around(original: Any) -> Callable[..., Any]:
        async def commit(self: AIOKafkaConsumer, *offsets: Any) -> None:
            arrived()
            await original(self, *offsets)

        return commit

    _wrap(AIOKafkaConsumer, "commit", around)


def committed(arrived: Arrived) -> None:
    """After the offsets are committed, before the next batch is polled."""

    def around(original: Any) -> Callable[..., Any]:
        async def commit(self: AIOKafkaConsumer, *offsets: Any) -> None:
            await original(self, *offsets)
            arrived()

        return commit

    _wrap(AIOKafkaConsumer, "commit", around)


def forgotten_soon() -> None:
    """The group waits no longer than a broker allows at the least for a member that is gone."""

    def around(original: Any) -> Callable[..., Any]:
        def make(self: AIOKafkaConsumer, *topics: str, **options: Any) -> None:
            original(self, *topics, **options | {"session_timeout_ms": 6000})

        return make

    _wrap(AIOKafkaConsumer, "__init__", around)


def _wrap(owner: type, name: str, around: Around) -> None:
    setattr(owner, name, around(getattr(owner, name)))


POINTS = {point.__name__: point for point in (opening, closing, written, half_told, told, committed)}


def main(point: str, nth: int, number: signal.Signals) -> None:
    """Run until the point is reached for the nth time; what follows is up to the signal."""
    left = nth

    def arrived() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)

    forgotten_soon()
    POINTS[point](arrived)
    run("decision", Settings(), build)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), signal.Signals[sys.argv[3]])
