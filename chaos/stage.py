"""The running system between two proxies, with a keeper that starts again what has died, as a supervisor would."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
import psutil

from chaos.orders import FILE, SESSION_MS, Orders
from chaos.proxy import Proxy
from chaos.waits import Wait
from services.local.broker import Proxied
from services.local.child import Child, DidNotStart, free_port
from services.local.supervisor import SERVICES, Notice, Stack, running
from shared.process import background

Server = Literal["broker", "postgres"]
SERVERS: tuple[Server, ...] = ("broker", "postgres")
SESSION = 3.0
"""Seconds after which a group forgets a member: less than anywhere else, so that a run can hold many faults."""
_START = 60.0


@dataclass(slots=True)
class Stage:
    """What faults act upon."""

    stack: Stack
    proxies: dict[Server, Proxy]
    ended: list[str] = field(default_factory=list)
    """Processes that ended without having been told to, with the last lines of their logs."""
    waits: list[Wait] = field(default_factory=list)
    """The longest that a partition waited, each time that members of the group came and went."""
    _doomed: set[int] = field(default_factory=set)
    _down: set[str] = field(default_factory=set)

    def child(self, name: str) -> Child:
        """A process by its name; a server too."""
        server = {"broker": self.stack.broker.child, "postgres": self.stack.postgres.child}.get(name)
        return server or self.stack.children[name]

    def orders(self, name: str) -> Path:
        """Where a service finds its orders."""
        return self.stack.state / f"{name}.orders"

    def order(self, name: str, orders: Orders) -> None:
        """Give a running service new orders. What is to spring a trap may end."""
        orders.save(self.orders(name))
        if orders.trap is not None:
            self._doomed.add(self.child(name).pid)
        self.child(name).send(signal.SIGUSR1)

    def start(self, name: str, *, forgotten_soon: bool = True) -> Child:
        """Start a service, or another process of one, behind the proxies."""
        service = name.partition("-")[0]
        self.stack.ports.setdefault(name, free_port())
        given = self.stack.environment(service)
        database = urlsplit(given["APPROVALFLOW_DATABASE"])
        given |= {
            FILE: str(self.orders(name)), "APPROVALFLOW_HTTP_PORT": str(self.stack.ports[name]), "APPROVALFLOW_ARCHIVE_SECONDS": "0.5",
            "APPROVALFLOW_KAFKA": f"127.0.0.1:{self.proxies['broker'].port}",
            "APPROVALFLOW_DATABASE": database._replace(netloc=f"{database.username}@127.0.0.1:{self.proxies['postgres'].port}").geturl(),
        }
        if forgotten_soon:
            given[SESSION_MS] = str(int(SESSION * 1000))
        command = [sys.executable, "-m", "chaos.runner", service]
        self._down.discard(name)
        self.stack.children[name] = Child(name, command, self.stack.state / "logs" / f"{name}.log", given)
        return self.stack.children[name]

    async def stop(self, name: str) -> None:
        """Stop a service cleanly, and leave it so."""
        self._down.add(name)
        await self.child(name).stop()

    async def remove(self, name: str) -> None:
        """Stop a process cleanly, and forget it."""
        await self.stop(name)
        del self.stack.children[name]

    async def restart(self, name: str, *, forgotten_soon: bool = True) -> None:
        """Stop it cleanly and start it again, until it is ready."""
        await self.stop(name)
        self.start(name, forgotten_soon=forgotten_soon)
        await self.wait_ready(name, _START)

    async def kill(self, name: str) -> None:
        """Kill it and all it started; a service is started again by the keeper, a server is not."""
        child = self.child(name)
        self._doomed.add(child.pid)
        for process in _tree(child):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        await until(lambda: _ended(child), 10)

    async def wait_ready(self, name: str, seconds: float | None) -> None:
        """Wait until a service is ready, in whichever process; one that ends is started again.

        :raises TimeoutError: it was not in time.
        """
        async with httpx.AsyncClient(base_url=self.stack.address(name), timeout=3) as client:
            async def ready() -> bool:
                try:
                    return (await client.get("/health/ready")).status_code == httpx.codes.OK
                except httpx.HTTPError:
                    return False

            await until(ready, seconds)

    async def revive(self, server: Server) -> None:
        """Start a server that was killed."""
        await (self.stack.broker.start() if server == "broker" else self.stack.postgres.start())

    def freeze(self, name: str) -> None:
        """Stop it where it stands, with all it started."""
        for process in _tree(self.child(name)):
            process.suspend()

    def thaw(self, name: str) -> None:
        """Let it go on."""
        for process in _tree(self.child(name)):
            process.resume()

    async def keep(self) -> None:
        """Start again what has ended, for ever."""
        while True:
            for name, child in list(self.stack.children.items()):
                if not child.alive and name not in self._down:
                    if child.pid not in self._doomed:
                        self.ended.append(f"{name} ended with {child.ended_with}:\n{child.tail()}")
                    self.start(name)
            await asyncio.sleep(0.1)


def _tree(child: Child) -> list[psutil.Process]:
    process = psutil.Process(child.pid)
    return [process, *process.children(recursive=True)]


async def _ended(child: Child) -> bool:
    return not child.alive


async def until(answer: Callable[[], Awaitable[bool]], seconds: float | None) -> None:
    """Ask again until the answer is yes.

    :raises TimeoutError: it was not within ``seconds``, if there is an end to it.
    """
    async with asyncio.timeout(seconds):
        while not await answer():
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def staged(state: Path, notice: Notice) -> AsyncIterator[Stage]:
    """The system for the length of the block.

    :raises DidNotStart: a part of it did not, or the broker is not one that can be killed and keeps what it has.
    """
    if "APPROVALFLOW_KAFKA" in os.environ:
        raise DidNotStart("faults need a broker of their own: unset APPROVALFLOW_KAFKA")
    listener = free_port()
    broker = Proxy(listener)
    async with running(state, notice, services=(), proxied=Proxied(listener, broker.port)) as stack:
        if not stack.broker.idempotent:
            raise DidNotStart("faults need Apache Kafka: install Java and Maven")
        database = Proxy(stack.postgres.port)
        stage = Stage(stack, {"broker": broker, "postgres": database})
        await broker.accept()
        await database.accept()
        for name in SERVICES:
            stage.start(name)
        async with background(asyncio.create_task(stage.keep()), 5):
            await asyncio.gather(*(stage.wait_ready(name, _START) for name in SERVICES))
            yield stage
