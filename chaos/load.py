"""Work for the system while it is being broken, and exactly what it has acknowledged."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import chain
from math import inf
from typing import Any

import httpx
from aiokafka.errors import KafkaError

from chaos.burst import Burst
from services.local.issuer import LocalIssuer
from services.local.site import story, traffic
from services.local.site.client import Client
from services.local.site.people import People
from services.local.site.tally import Tally
from services.local.site.world import world
from shared.kafka import BatchPublisher, Outgoing
from shared.settings import ServiceSettings

_AGAIN = {"Retry-After": "0.2"}
_PAGES = 6
"""Of one burst: each fate once."""


class PatientClient(Client):
    """Whoever hears nothing, or hears that it cannot be now, asks again under the same key."""

    give_up = 120.0
    doubtful = False
    """Does the service's clock make it refuse what is well signed?"""

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer; no answer is as good as being told to come again."""
        try:
            answer = await super().request(method, path, **options)
        except httpx.TransportError:
            return httpx.Response(503, headers=_AGAIN)
        if answer.is_server_error and answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            self.tally.surprises.append(f"{method} {path}: answered {answer.status_code}")
            return httpx.Response(503, headers=_AGAIN)
        refused = answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.UNPROCESSABLE_ENTITY)
        return httpx.Response(503, headers=_AGAIN) if refused and self.doubtful else answer


class Sender:
    """Puts messages on the log past the proxy, again and again until each is acknowledged."""

    def __init__(self, bootstrap: str) -> None:
        self._settings = ServiceSettings(kafka=bootstrap)
        self._publisher: BatchPublisher | None = None
        self.acknowledged: set[str] = set()

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        """Return once the broker has all of them; some it may have more than once."""
        asked = list(messages)
        while not await self._tried(asked):
            await asyncio.sleep(0.2)
        self.acknowledged |= {dict(m.headers)["ce_id"].decode() for m in asked if m.headers}

    async def _tried(self, messages: Sequence[Outgoing]) -> bool:
        try:
            if self._publisher is None:
                publisher = BatchPublisher(self._settings, "chaos")
                await publisher.start()
                self._publisher = publisher
            await self._publisher.publish(messages)
        except (KafkaError, OSError):
            await self.close()
            return False
        return True

    async def close(self) -> None:
        """Disconnect; what is not flushed soon was not acknowledged."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            with contextlib.suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(publisher.stop(), 2)


class Load:
    """People on their sites over HTTP, all the time; a burst straight onto the log for each fault."""

    def __init__(self, address: str, bootstrap: str, issuer: LocalIssuer, seed: int, lanes: int) -> None:
        self.tally = Tally()
        self.sender = Sender(bootstrap)
        self.client = PatientClient(address, issuer, self.tally, 4 * lanes, str(seed))
        self._address = address
        self._seed = seed
        self._lanes = lanes
        self._everybody = [People(self.client, site) for site in world(seed, issuer.client_key, "local-dc")]

    async def prepare(self) -> None:
        """Directories, workflows, and every situation once."""
        await self.client.install(self._address)
        await asyncio.gather(*(people.prepare() for people in self._everybody))
        await asyncio.gather(*(story.tell(people) for people in self._everybody))
        first = Burst(self._name(0), _PAGES)
        await self.sender.publish(first.directory())
        await self.sender.publish(first.workflows())

    @contextlib.asynccontextmanager
    async def flowing(self, rate: float) -> AsyncIterator["asyncio.Task[int]"]:
        """Pages go through their approvals for the length of the block, so many commands a second."""
        task = asyncio.create_task(traffic.flow(self._everybody, self._seed, inf, self._lanes, rate))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def burst(self, number: int) -> None:
        """Approvals of every fate. Other keys have no order with them, so the next one's workflows come early; what the one
        before left in quarantine is released.
        """
        before, now, after = (Burst(self._name(n), _PAGES) for n in (number - 1, number, number + 1))
        await self.sender.publish(chain(before.releases(), after.workflows(), now.beginnings()))
        await self.sender.publish(now.endings())

    async def probe(self) -> None:
        """A command goes all the way there and back."""
        people = self._everybody[0]
        path = f"/v1/directory/groups/probe-{people.site.prefix}"
        await people.ask(None, "PUT", path, {"members": [people.site.people["nora"]], "read_at": people.site.tick().isoformat()})

    def _name(self, number: int) -> str:
        return f"burst{self._seed}.{number}"

    async def close(self) -> None:
        """Disconnect."""
        await self.client.close()
        await self.sender.close()
