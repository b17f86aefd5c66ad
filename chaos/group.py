"""Consumer groups: how many their members are, and how long a partition waits while they come and go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from aiokafka.errors import KafkaError

from chaos import log
from chaos.burst import ERIN, members_of, on_intake
from chaos.stage import Stage, until
from chaos.waits import longest_wait
from services.local.supervisor import PARTITIONS
from shared.contracts.topics import EVENTS, GROUPS, INTAKE
from shared.kafka import BatchPublisher, Outgoing
from shared.settings import ServiceSettings

_PATIENCE = 60.0
_BEAT = 0.2
"""Seconds from one command on each partition to the next."""


async def members(stage: Stage, service: str, count: int) -> None:
    """Wait until so many processes of a service share the partitions, in each of its groups.

    :raises TimeoutError: they did not in time.
    """
    groups = [group for group in GROUPS if group.startswith(service.replace("_", "-"))]

    async def stable() -> bool:
        try:
            async with log.admin(stage.stack.broker.bootstrap) as client:
                answers = [await client.describe_consumer_groups([group]) for group in groups]
        except KafkaError:
            return False
        found = [group for [answer] in answers for group in answer.groups]
        return all(state == "Stable" and len(those) == count for _, _, state, _, _, those, *_ in found)

    await until(stable, _PATIENCE)


def beat() -> Iterator[Outgoing]:
    """One command for each partition, that changes nothing which matters."""
    for partition in range(PARTITIONS):
        yield on_intake(members_of(f"beat-{partition}", ERIN))._replace(partition=partition)


@contextlib.asynccontextmanager
async def watched(stage: Stage) -> AsyncIterator[None]:
    """Give every partition work for the length of the block, and note how long one stood still with work waiting."""
    bootstrap = stage.stack.broker.bootstrap
    begin = {topic.name: await log.ends(bootstrap, topic) for topic in (INTAKE, EVENTS)}
    publisher = BatchPublisher(ServiceSettings(kafka=bootstrap), "chaos")
    await publisher.start()

    async def beating() -> None:
        while True:
            await publisher.publish(beat())
            await asyncio.sleep(_BEAT)

    task = asyncio.create_task(beating())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await publisher.stop()
    asked, told = [await log.since(bootstrap, topic, begin[topic.name]) for topic in (INTAKE, EVENTS)]
    stage.waits.append(longest_wait(asked, told))
