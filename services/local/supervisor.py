"""Every process of the system under one parent: started in order, waited for, watched, and stopped together."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from services.local import provider
from services.local.broker import Broker, Proxied
from services.local.child import Child, DidNotStart, free_port
from services.local.issuer import LocalIssuer
from services.local.postgres import Postgres
from services.local.served import served
from shared import postgres as schema
from shared.kafka import create_topics
from shared.settings import ServiceSettings

SERVICES = ("command", "decision", "audit_fanout", "retention", "console")
FIXED_PORTS = dict(zip((*SERVICES, "provider"), range(8080, 8086), strict=True))
PARTITIONS = 8
Notice = Callable[[str], None]


class ChildEnded(Exception):
    """A process ended by itself; the text ends with the last lines of its log."""


@dataclass(slots=True)
class Stack:
    """The running system."""

    state: Path
    issuer: LocalIssuer
    postgres: Postgres
    broker: Broker
    ports: dict[str, int]
    children: dict[str, Child] = field(default_factory=dict)

    def address(self, service: str) -> str:
        """Where a service listens."""
        return f"http://127.0.0.1:{self.ports[service]}"

    @property
    def provider(self) -> str:
        """Where people sign in: the issuer of ID tokens."""
        return self.issuer.provider

    def memory(self) -> dict[str, int]:
        """Resident bytes of each service."""
        return {name: psutil.Process(child.pid).memory_info().rss for name, child in self.children.items() if child.alive}

    def environment(self, name: str) -> dict[str, str]:
        """What one service is told: its own role and port, and where everything is."""
        settings = {
            "KAFKA": self.broker.bootstrap, "KAFKA_IDEMPOTENT": str(self.broker.idempotent), "PARTITIONS": str(PARTITIONS),
            "DATABASE": self.postgres.dsn(name), "HTTP_PORT": str(self.ports[name]),
            "ARCHIVE_URL": (self.state / "archive").as_uri(), "ARCHIVE_SECONDS": "1", "BASE_URL": self.address(name),
            "CONSOLE_URL": self.address("console"), "COMMAND_URL": self.address("command"),
            "SERVICES": ",".join(f"{s}={self.address(s)}" for s in SERVICES if s != "console"),
        }
        return self.issuer.environment() | {f"APPROVALFLOW_{key}": value for key, value in settings.items()}

    def start_service(self, name: str) -> Child:
        """Start one service."""
        command = [sys.executable, "-m", f"services.{name}"]
        self.children[name] = Child(name, command, self.state / "logs" / f"{name}.log", self.environment(name))
        return self.children[name]

    async def wait_ready(self, name: str, seconds: float = 60) -> None:
        """Wait until a service says that it is ready.

        :raises DidNotStart: it did not in time.
        """
        async with httpx.AsyncClient(base_url=self.address(name), timeout=3) as client:
            async def ready() -> bool:
                try:
                    return (await client.get("/health/ready")).status_code == httpx.codes.OK
                except httpx.HTTPError:
                    return False

            await self.children[name].ready(ready, seconds)

    async def watch(self) -> None:
        """Return never, unless a process ends.

        :raises ChildEnded: one did.
        """
        servers = [c for c in (self.postgres.child, self.broker.child) if c is not None]
        while True:
            for child in [*servers, *self.children.values()]:
                if not child.alive:
                    raise ChildEnded(f"{child.name} ended by itself:\n{child.tail()}")
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def running(
    state: Path, notice: Notice = lambda _: None, *, fixed_ports: bool = False, services: tuple[str, ...] = SERVICES,
    proxied: Proxied | None = None, postgres: Mapping[str, str] | None = None,
) -> AsyncIterator[Stack]:
    """The whole system for the length of the block, its database with these options; what it stored stays in ``state``.

    :raises DidNotStart: a part of it did not.
    """
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    ports = FIXED_PORTS if fixed_ports else {name: free_port() for name in FIXED_PORTS}
    issuer = LocalIssuer.load_or_create(state / "issuer", provider=f"http://127.0.0.1:{ports['provider']}")
    stack = Stack(
        state, issuer, Postgres(state / "postgres", options=postgres), Broker(state / "kafka", proxied=proxied), ports,
    )
    async with served(provider.application(issuer, stack.address("console")), issuer.provider):
        try:
            await _start(stack, services, notice)
            yield stack
        finally:
            await asyncio.shield(_stop(stack))


async def _start(stack: Stack, services: tuple[str, ...], notice: Notice) -> None:
    await asyncio.gather(stack.postgres.start(), stack.broker.start())
    notice(f"broker: {stack.broker.kind}, at {stack.broker.bootstrap}")
    await asyncio.gather(
        schema.migrate(stack.postgres.dsn()), create_topics(ServiceSettings(kafka=stack.broker.bootstrap), PARTITIONS)
    )
    for name in services:
        stack.start_service(name)
    async with asyncio.TaskGroup() as group:
        for name in services:
            group.create_task(_ready(stack, name, notice))


async def _ready(stack: Stack, name: str, notice: Notice) -> None:
    await stack.wait_ready(name)
    notice(f"{name.replace('_', '-')} is ready at {stack.address(name)}")


async def _stop(stack: Stack) -> None:
    await asyncio.gather(*(child.stop() for child in stack.children.values()))
    await asyncio.gather(stack.broker.stop(), stack.postgres.stop())


async def until_told(stack: Stack) -> None:
    """Keep it running until it is told to stop (SIGINT, SIGTERM, SIGHUP), or until a process ends.

    :raises ChildEnded: one did.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for what in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(what, told.set)
    watching = asyncio.create_task(stack.watch())
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait({watching, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


__all__ = ["ChildEnded", "DidNotStart", "Stack", "running", "until_told"]
