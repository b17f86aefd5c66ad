"""Where a service can be stopped: between each pair of effects, by wrapping the collaborators that have them."""

import errno
import os
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer
from asyncpg.connection import Connection
from asyncpg.transaction import Transaction
from fsspec.implementations.local import LocalFileOpener, LocalFileSystem

from chaos.orders import Follower
from shared.kafka import BatchPublisher, Outgoing

Around = Callable[[Any], Callable[..., Any]]


def _before(owner: type, name: str, follower: Follower, point: str) -> None:
    def around(original: Any) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **options: Any) -> Any:
            follower.arrived(point)
            return original(self, *args, **options)

        return call

    _wrap(owner, name, around)


def _after(owner: type, name: str, follower: Follower, point: str) -> None:
    def around(original: Any) -> Callable[..., Any]:
        async def call(self: Any, *args: Any, **options: Any) -> Any:
            result = await original(self, *args, **options)
            follower.arrived(point)
            return result

        return call

    _wrap(owner, name, around)


def opening(follower: Follower) -> None:
    """After the read, before the transaction that writes begins."""
    _before(Connection, "transaction", follower, "opening")


def closing(follower: Follower) -> None:
    """After everything is written, before the transaction is committed."""
    _before(Transaction, "__aexit__", follower, "closing")


def closed(follower: Follower) -> None:
    """After the transaction is committed, before anything else is done."""
    _after(Transaction, "__aexit__", follower, "closed")


def written(follower: Follower) -> None:
    """After the database commit, before anything is published."""

    def around(original: Any) -> Callable[..., Any]:
        async def publish(self: BatchPublisher, messages: Iterable[Outgoing]) -> None:
            if telling := list(messages):
                follower.arrived("written")
            await original(self, telling)

        return publish

    _wrap(BatchPublisher, "publish", around)


def half_told(follower: Follower) -> None:
    """When the first half of what a batch tells is acknowledged, and the other half is not sent."""

    def around(original: Any) -> Callable[..., Any]:
        async def publish(self: BatchPublisher, messages: Iterable[Outgoing]) -> None:
            telling = list(messages)
            if not telling or not follower.waits_at("half_told"):
                await original(self, telling)
                return
            half = len(telling) // 2
            await original(self, telling[:half])
            follower.arrived("half_told")
            await original(self, telling[half:])

        return publish

    _wrap(BatchPublisher, "publish", around)


def told(follower: Follower) -> None:
    """After all effects, before the offsets are committed."""
    _before(AIOKafkaConsumer, "commit", follower, "told")


def committed(follower: Follower) -> None:
    """After the offsets are committed, before the next batch is polled."""
    _after(AIOKafkaConsumer, "commit", follower, "committed")


def unnamed(follower: Follower) -> None:
    """In the middle of the archive's batch: a file is complete, and does not have its name yet."""
    _before(LocalFileSystem, "mv", follower, "unnamed")


def undescribed(follower: Follower) -> None:
    """Between the two files of a segment: the lines are there, what says so is not."""
    from services.audit_fanout.sinks import Archive  # noqa: PLC0415 - only in the service that has it

    def around(original: Any) -> Callable[..., Any]:
        def put(self: Archive, path: str, content: bytes) -> None:
            if path.endswith(".json") and "/events/" in path:
                follower.arrived("undescribed")
            original(self, path, content)

        return put

    _wrap(Archive, "put", around)


def asking(follower: Follower) -> None:
    """After the key is claimed, before the command is published."""
    from services.command.publish import Publisher  # noqa: PLC0415 - only in the service that has it

    _before(Publisher, "publish", follower, "asking")


def acknowledged(follower: Follower) -> None:
    """After the broker has the command, before whoever asked hears of it."""
    from services.command.publish import Publisher  # noqa: PLC0415 - only in the service that has it

    _after(Publisher, "publish", follower, "acknowledged")


POINTS: dict[str, tuple[Callable[[Follower], None], ...]] = {
    "command": (asking, acknowledged),
    "decision": (opening, closing, written, half_told, told, committed),
    "audit_fanout": (opening, closing, closed, unnamed, undescribed, told, committed),
}


def prepare(service: str, follower: Follower) -> None:
    """Wrap what this service uses."""
    for point in POINTS.get(service, ()):
        point(follower)
    if service == "audit_fanout":
        full_disk(follower)


def full_disk(follower: Follower) -> None:
    """A disk with no room takes half of what is written, and says so: what a real one does, and nobody needs root for it."""

    def around(original: Any) -> Callable[..., Any]:
        def write(self: LocalFileOpener, content: bytes) -> int:
            if follower.orders.disk_full:
                original(self, content[: len(content) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(original(self, content))

        return write

    _wrap(LocalFileOpener, "write", around)


def forgotten_after(milliseconds: int) -> None:
    """Groups wait no longer than this for a member that is gone."""

    def around(original: Any) -> Callable[..., Any]:
        def make(self: AIOKafkaConsumer, *topics: str, **options: Any) -> None:
            beat = min(options.get("heartbeat_interval_ms", milliseconds), milliseconds // 3)
            original(self, *topics, **options | {"session_timeout_ms": milliseconds, "heartbeat_interval_ms": beat})

        return make

    _wrap(AIOKafkaConsumer, "__init__", around)


def _wrap(owner: type, name: str, around: Around) -> None:
    setattr(owner, name, around(getattr(owner, name)))
