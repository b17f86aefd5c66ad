"""A sweep is ended at each of its effects in turn: nothing is lost, told twice, or unaccounted for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from services.retention.domain import Kind
from services.retention.settings import Settings
from services.retention.sweep import AlreadySweeping, Swept
from shared.kafka import BatchPublisher, Outgoing
from shared.postgres import connect_pool
from tests.integration.audit_log import an_event
from tests.integration.retention_scene import DAY, Scene, ids, month
from tests.stack import Database, Log
from tests.waiting import until

SITE, OTHER = "site-1", "site-2"


class Killed(Exception):
    """The process is no more."""


@dataclass
class Life:
    """A process that ends at its ``effects``-th effect: just before it, or just after it and without hearing of it."""

    effects: int
    after: bool
    over: bool = False

    async def have(self, effect: Callable[[], Awaitable[Any]]) -> Any:
        """Cause an effect outside of the process."""
        self.effects -= 1
        if not self.effects or self.over:
            if self.after and not self.over:
                await effect()
            self.over = True
            raise Killed
        return await effect()


def mortal(life: Life) -> type[asyncpg.Connection]:
    """Connections of a process that ends."""

    class Mortal(asyncpg.Connection):
        async def execute(self, *args: Any, **options: Any) -> Any:
            return await life.have(partial(super().execute, *args, **options))

        async def fetch(self, *args: Any, **options: Any) -> Any:
            return await life.have(partial(super().fetch, *args, **options))

        async def fetchrow(self, *args: Any, **options: Any) -> Any:
            return await life.have(partial(super().fetchrow, *args, **options))

        async def fetchval(self, *args: Any, **options: Any) -> Any:
            return await life.have(partial(super().fetchval, *args, **options))

    return Mortal


@pytest_asyncio.fixture(scope="module")
async def scene(database: Database, broker: Log, topics: list[str]) -> AsyncIterator[Scene]:
    settings = Settings.model_validate({
        "kafka": broker.bootstrap, "kafka_idempotent": broker.idempotent, "pause_seconds": 0.0, "batch_rows": 2,
    })
    publisher = BatchPublisher(settings, "retention")
    await publisher.start()
    async with await connect_pool(database.dsn("retention"), 1, "test", session_state=True) as pool:
        db = await asyncpg.connect(database.dsn())
        yield Scene(db, pool, publisher.publish, settings)
        await db.close()
    await publisher.stop()


async def _arrange(scene: Scene, kind: Kind) -> int:
    """How many may go. Of the audit log one month goes whole; one with a held page and one of two sites go in part."""
    await scene.clear()
    await scene.policy(SITE, kind)
    if kind is not Kind.AUDIT:
        await scene.add(kind, SITE, "900", 50 * DAY, 3)
        await scene.add(kind, SITE, "900", DAY, 2)
        return 3
    await scene.hold(SITE, "901")
    told = [(SITE, "900", 6), (SITE, "900", 6), (SITE, "900", 5), (SITE, "901", 5), (SITE, "900", 5), (OTHER, "900", 4),
            (SITE, "900", 4), (SITE, "900", 0)]
    await scene.audit(an_event(page, site_id=site, occurred_at=month(ago)) for site, page, ago in told)
    return 5


async def _live_and_die(scene: Scene, dsn: str, life: Life) -> None:
    """One sweep by a process of its own."""
    async def publish(messages: Iterable[Outgoing]) -> None:
        await life.have(partial(scene.publish, messages))

    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=1, connection_class=mortal(life))
    sweep = scene.sweep(pool)
    sweep._publish = publish
    try:
        await sweep.run_once()
    except Killed:
        assert life.over
    finally:
        pool.terminate()


async def _go_on(scene: Scene) -> Swept:
    """A sweep by the next process, as soon as the database has noticed that the last one is gone."""
    async def swept() -> Swept | None:
        try:
            return await scene.swept()
        except AlreadySweeping:
            return None

    found = await until(swept)
    assert found is not None
    return found


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", [Kind.AUDIT, Kind.OUTCOMES])
async def test_whatever_effect_is_the_last(scene: Scene, database: Database, kind: Kind, after: bool) -> None:
    number = 0
    while True:
        number += 1
        due = await _arrange(scene, kind)
        before = await scene.left(kind, SITE)
        life = Life(number, after)
        await _live_and_die(scene, database.dsn("retention"), life)
        await _go_on(scene)
        where = f"ended at effect {number}"
        run, = await scene.runs()
        assert (run.removed, before - await scene.left(kind, SITE)) == (due, due), where
        assert ids(scene.published) == {run.run_id}, where
        assert len({(m.value, tuple(m.headers)) for m in scene.published}) == 1, where
        command, = await scene.audit_published()
        assert (command.removed, command.digest) == (due, run.digest.hex()), where
        assert await scene.wrong() is None, where
        if kind is Kind.AUDIT:
            assert len(await scene.months()) == 3, where
        if not life.over:
            break
    assert number > (40 if kind is Kind.AUDIT else 15)
