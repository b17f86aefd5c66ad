"""When is the system well again? When it takes a command, and has caught up with all that waited."""

import asyncio
import time

from aiokafka.errors import KafkaError

from chaos import group, log
from chaos.load import Load
from chaos.log import Offsets
from chaos.stage import Stage, until
from services.local.supervisor import SERVICES
from shared.contracts.topics import EVENTS, GROUPS, INTAKE, Topic

PATIENCE = 60.0


class NotWell(Exception):
    """The system did not recover in time; says what was still missing."""


async def until_well(stage: Stage, load: Load) -> float:
    """How many seconds it took until each service was ready, a command came back applied, and every partition was decided,
    audited and archived up to what it held when this was asked.

    :raises NotWell: longer than ``PATIENCE``.
    """
    began = time.perf_counter()
    tasks = {
        asyncio.create_task(load.probe(), name="a command over HTTP"),
        asyncio.create_task(_caught_up(stage, load), name="what waited on the log"),
        *(asyncio.create_task(stage.wait_ready(name, None), name=f"{name} ready") for name in SERVICES),
    }
    done, pending = await asyncio.wait(tasks, timeout=PATIENCE)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()
    if pending:
        raise NotWell(f"after {PATIENCE:.0f} s still without: {', '.join(sorted(t.get_name() for t in pending))}")
    return time.perf_counter() - began


async def _caught_up(stage: Stage, load: Load) -> None:
    bootstrap = stage.stack.broker.bootstrap
    await load.sender.publish(group.beat())
    for topic in (INTAKE, EVENTS):
        goal = await _ends(bootstrap, topic)
        await asyncio.gather(*(_reached(bootstrap, name, goal) for name, read in GROUPS.items() if read is topic))


async def _ends(bootstrap: str, topic: Topic) -> Offsets:
    while True:
        try:
            return await log.ends(bootstrap, topic)
        except KafkaError:
            await asyncio.sleep(0.1)


async def _reached(bootstrap: str, name: str, goal: Offsets) -> None:
    async def answer() -> bool:
        try:
            async with log.admin(bootstrap) as client:
                found = await client.list_consumer_group_offsets(name)
        except KafkaError:
            return False
        return all(place in found and found[place].offset >= end for place, end in goal.items())

    await until(answer, None)
