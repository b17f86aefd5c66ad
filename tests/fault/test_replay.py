"""A database put back to an earlier moment: what it lost is decided again as it was told, however often that is interrupted."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr
from typer.testing import CliRunner

from chaos.burst import ERIN, Burst
from services.cli import app
from services.decision.replay import replay
from services.decision.settings import Settings
from tests.conftest import PARTITIONS
from tests.fault.proof import prove
from tests.fault.scene import Scene, opened
from tests.stack import Database, Log, fresh_topics

LONG = 120
INTERRUPTED_AT = 7


class Cut(Exception):
    """The replay is given up."""


@pytest_asyncio.fixture
async def scene(broker: Log, postgres: Database, template: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """A log and a database with nothing on them: what one test makes of them is no past for another."""
    await fresh_topics(broker.bootstrap, PARTITIONS)
    name = f"whole_{uuid4().hex[:8]}"
    async with opened(broker, await postgres.create(name, template), tmp_path) as ready:
        yield ready
    await postgres.drop(name)


@pytest_asyncio.fixture
async def whole(scene: Scene, postgres: Database) -> AsyncIterator[Database]:
    """The database with all that was decided; the scene's is as it was half-way."""
    load, before = Burst("replayed"), scene.database
    await scene.prepare(load)
    async with scene.decision():
        await scene.publish(load.beginnings())
        await scene.settled(LONG)
    name = f"half_{uuid4().hex[:8]}"
    half = await postgres.create(name, before.name)
    async with scene.decision():
        await scene.publish([*load.endings(), *load.releases()])
        await scene.settled(LONG)
    scene.database = half
    yield before
    scene.database = before
    await postgres.drop(name)


async def outcomes(database: Database) -> dict[str, dict[str, Any]]:
    """Every outcome by its command's id."""
    db = await asyncpg.connect(database.dsn())
    try:
        return {str(row["command_id"]): dict(row) for row in await db.fetch("SELECT * FROM approvals.outcome")}
    finally:
        await db.close()


async def replayed(scene: Scene) -> tuple[int, str]:
    """Run the command; how it ended, and what it said."""
    words = ["replay", "--database", scene.database.dsn("decision"), "--kafka", scene.broker.bootstrap]
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    return done.exit_code, done.output


async def test_interrupted_it_goes_on_where_it_was_and_brings_back_exactly_what_was_told(scene: Scene, whole: Database) -> None:
    def interrupt(done: int, _: int) -> None:
        if done == INTERRUPTED_AT:
            raise Cut

    half = await outcomes(scene.database)
    settings = Settings(kafka=scene.broker.bootstrap, database=SecretStr(scene.database.dsn("decision")))
    with pytest.raises(Cut):
        await replay(settings, interrupt)
    assert len(await outcomes(scene.database)) == len(half) + INTERRUPTED_AT
    code, said = await replayed(scene)
    assert code == 0, said
    assert await outcomes(scene.database) == await outcomes(whole)
    assert len(await outcomes(whole)) > len(half) + INTERRUPTED_AT
    code, said = await replayed(scene)
    assert (code, "0 outcomes are there again" in said) == (0, True)

    async with scene.decision():
        await scene.settled(LONG)
    assert await outcomes(scene.database) == await outcomes(whole)
    await prove(await scene.evidence(), scene.broker.bootstrap, scene.asked)


async def test_while_others_decide_it_does_nothing(scene: Scene, whole: Database) -> None:
    half = await outcomes(scene.database)
    async with scene.decision():
        await scene.shared_by(1)
        code, said = await replayed(scene)
        assert (code, "stop every decision process first" in said) == (1, True)
        assert await outcomes(scene.database) == half


async def test_what_comes_out_otherwise_is_named_and_costs_only_its_own_key(scene: Scene, whole: Database) -> None:
    db = await asyncpg.connect(scene.database.dsn())
    await db.execute("DELETE FROM directory.group_member WHERE account_id = $1", ERIN)
    await db.close()
    half, told = await outcomes(scene.database), await outcomes(whole)
    code, said = await replayed(scene)
    assert code == 1
    hers = {id_: o for id_, o in told.items() if o["voter_id"] == ERIN and id_ not in half}
    assert hers and set(re.findall(r"comes out otherwise: (\S+)", said)) == hers.keys()
    keys = {o["key"] for o in hers.values()}
    again = await outcomes(scene.database)
    assert again == {id_: o for id_, o in told.items() if id_ in again}
    assert {o["key"] for id_, o in told.items() if id_ not in again} == keys

    async with scene.decision():
        await scene.settled(LONG)
    decided = await outcomes(scene.database)
    assert {decided[id_]["reason"] for id_ in hers} == {"not_an_approver"}
    assert {id_: o for id_, o in decided.items() if o["key"] not in keys} == {id_: o for id_, o in told.items() if o["key"] not in keys}
