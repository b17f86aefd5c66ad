"""Everything that is done to the system, each by a name: what kind it is, where it strikes, how it begins and ends."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from itertools import product
from random import Random

import psutil

from chaos import delivery, group
from chaos.orders import Orders, Trap
from chaos.points import POINTS
from chaos.stage import SERVERS, SESSION, Server, Stage, until
from services.local.supervisor import SERVICES

Act = Callable[[Stage, Random], AbstractAsyncContextManager[None]]
_SPRING = 30.0
"""Seconds within which work must bring a process to its trap."""
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Fault:
    """``act`` lasts as long as its block; entering it has done the harm, leaving it has taken the cause away."""

    kind: str
    point: str
    act: Act
    hold: tuple[float, float] = (0.0, 0.0)
    """Between how many seconds it lasts."""

    def __str__(self) -> str:
        """By what it can be asked for again."""
        return f"{self.kind} {self.point}"


@contextlib.asynccontextmanager
async def kill(name: str, stage: Stage, _: Random) -> AsyncIterator[None]:
    """``kill -9`` of a service; it is started again at once."""
    await stage.kill(name)
    yield


@contextlib.asynccontextmanager
async def kill_server(name: Server, stage: Stage, _: Random) -> AsyncIterator[None]:
    """``kill -9`` of a server, which is away for a while."""
    await stage.kill(name)
    yield
    await stage.revive(name)


@contextlib.asynccontextmanager
async def pause(name: str, stage: Stage, _: Random) -> AsyncIterator[None]:
    """SIGSTOP, and SIGCONT after a while."""
    stage.freeze(name)
    try:
        yield
    finally:
        stage.thaw(name)


@contextlib.asynccontextmanager
async def restart(name: str, stage: Stage, _: Random) -> AsyncIterator[None]:
    """A clean stop and a start."""
    await stage.restart(name)
    yield


@contextlib.asynccontextmanager
async def trap(service: str, point: str, stage: Stage, random: Random) -> AsyncIterator[None]:
    """The service kills itself at a named point, the first time that it comes there or a little later."""
    doomed = stage.child(service)
    stage.order(service, Orders(trap=Trap(point=point, nth=random.randint(1, 4))))

    async def sprung() -> bool:
        return not doomed.alive

    try:
        await until(sprung, _SPRING)
    finally:
        if doomed.alive:
            stage.order(service, Orders())
    yield


@contextlib.asynccontextmanager
async def two_writers(service: str, point: str, stage: Stage, _: Random) -> AsyncIterator[None]:
    """One process stands still in the middle of a write, another takes its partitions, then the first wakes."""
    second = f"{service}-2"
    sleeper = stage.child(service)

    async def asleep() -> bool:
        return psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED

    stage.start(second)
    try:
        await group.members(stage, service, 2)
        stage.order(service, Orders(trap=Trap(point=point, signal="SIGSTOP")))
        try:
            await until(asleep, _SPRING)
            await group.members(stage, service, 1)
            yield
        finally:
            stage.thaw(service)
        await group.members(stage, service, 2)
    finally:
        await stage.remove(second)


@contextlib.asynccontextmanager
async def cut(server: Server, stage: Stage, _: Random) -> AsyncIterator[None]:
    """Every connection to a server ends at once."""
    stage.proxies[server].cut()
    yield


@contextlib.asynccontextmanager
async def slow(server: Server, stage: Stage, random: Random) -> AsyncIterator[None]:
    """Everything to and from a server takes its time."""
    stage.proxies[server].delay = random.uniform(0.05, 0.3)
    yield
    stage.proxies[server].delay = 0.0


@contextlib.asynccontextmanager
async def silence(server: Server, stage: Stage, _: Random) -> AsyncIterator[None]:
    """Connections stay, and nothing comes through."""
    stage.proxies[server].silence()
    yield
    stage.proxies[server].resume()


@contextlib.asynccontextmanager
async def refuse(server: Server, stage: Stage, _: Random) -> AsyncIterator[None]:
    """Connections end, and no new one is taken."""
    await stage.proxies[server].refuse()
    yield
    await stage.proxies[server].accept()


@contextlib.asynccontextmanager
async def ordered(service: str, orders: Orders, stage: Stage, _: Random) -> AsyncIterator[None]:
    """A service has other orders for a while."""
    stage.order(service, orders)
    yield
    stage.order(service, Orders())


@contextlib.asynccontextmanager
async def again(topic: str, stage: Stage, random: Random, *, shuffled: bool) -> AsyncIterator[None]:
    """What was on the log a moment ago is delivered again."""
    await delivery.repeat(stage.stack.broker.bootstrap, topic, random if shuffled else None)
    yield


@contextlib.asynccontextmanager
async def rolling(stage: Stage, _: Random) -> AsyncIterator[None]:
    """A second ``decision`` joins, each of the two is restarted in turn, and one leaves, while every partition has work.

    Both run with the timeouts they have anywhere else.
    """
    first, second = "decision", "decision-2"
    await stage.restart(first, forgotten_soon=False)
    async with group.watched(stage):
        stage.start(second, forgotten_soon=False)
        try:
            await group.members(stage, first, 2)
            for name in (first, second):
                await stage.restart(name, forgotten_soon=False)
                await group.members(stage, first, 2)
        finally:
            await stage.remove(second)
        await group.members(stage, first, 1)
    await stage.restart(first)
    yield


def _catalogue() -> list[Fault]:
    short, long = (0.2, 2.0), (0.5, SESSION + 1.5)
    faults = [Fault("kill -9", name, partial(kill, name)) for name in SERVICES]
    faults += [Fault("kill -9", name, partial(kill_server, name), short) for name in SERVERS]
    faults += [Fault("pause", name, partial(pause, name), long) for name in (*SERVICES, *SERVERS)]
    faults += [Fault("restart", name, partial(restart, name)) for name in POINTS]
    faults += [
        Fault("kill at", f"{service} {point.__name__}", partial(trap, service, point.__name__))
        for service, points in POINTS.items() for point in points
    ]
    writes = {"decision": ("opening", "closing"), "audit_fanout": ("closing", "undescribed")}
    faults += [
        Fault("two writers", f"{service} {point}", partial(two_writers, service, point), (0.0, 1.0))
        for service, points in writes.items() for point in points
    ]
    connection = {"cut": (cut, (0.0, 0.0)), "slow": (slow, short), "silence": (silence, short), "refuse": (refuse, short)}
    faults += [
        Fault(kind, server, partial(act, server), hold) for (kind, (act, hold)), server in product(connection.items(), SERVERS)
    ]
    faults.append(Fault("disk full", "archive", partial(ordered, "audit_fanout", Orders(disk_full=True)), (1.0, 3.0)))
    for kind, shuffled in (("deliver again", False), ("deliver in disorder", True)):
        faults += [Fault(kind, topic, partial(again, topic, shuffled=shuffled)) for topic in ("intake", "events")]
    for service, seconds in product(("decision", "audit_fanout", "command"), (HOUR, -HOUR)):
        orders = Orders(clock=seconds)
        faults.append(Fault("clock", f"{service} {seconds / HOUR:+.0f} h", partial(ordered, service, orders), short))
    faults.append(Fault("rolling restart", "decision", rolling))
    return faults


CATALOGUE = tuple(_catalogue())
