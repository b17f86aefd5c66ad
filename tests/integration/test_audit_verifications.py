"""audit-fanout verifies its own log, as its own role, and shows what it found."""

import asyncpg
from opentelemetry.metrics import CallbackOptions

from services.audit_fanout import metrics
from services.audit_fanout.sinks import Store
from services.audit_fanout.verifications import Verifications
from shared.metrics import Gauge
from shared.postgres import connect_pool
from tests import stack
from tests.integration.audit_log import an_event, raw


def shown(gauge: Gauge) -> list[float]:
    """What is read of a gauge."""
    return [observation.value for observation in gauge._observe(CallbackOptions())]


async def test_what_the_last_whole_look_found_is_shown_with_its_age(database: stack.Database) -> None:
    owner = await asyncpg.connect(database.dsn())
    async with await connect_pool(database.dsn("audit_fanout"), 2, "test") as pool:
        await Store(pool, 5).write([raw(an_event(f"v{n}"), n % 2) for n in range(6)])
        verifications = Verifications(pool)
        with verifications.shown():
            assert (shown(metrics.broken), shown(metrics.verified)) == ([], [])
            [before] = shown(metrics.verified_age)
            await verifications.look()
            assert (shown(metrics.broken), shown(metrics.verified)) == ([0], [6])
            await owner.execute("DELETE FROM audit.entry WHERE partition = 1 AND position = 2")
            await verifications.look()
            assert (shown(metrics.broken), shown(metrics.verified)) == ([1], [4])
            assert 0 <= before < 60 and 0 <= shown(metrics.verified_age)[0] < 60
        assert [shown(gauge) for gauge in (metrics.broken, metrics.verified, metrics.verified_age)] == [[], [], []]
    await owner.close()
