"""How long it takes from asking for a decision until it is found: seen from outside, by polling, and for every decision.

A database session asks again and again how far each chain of audit entries reaches; whatever lies before that is found by
every index, since an entry and its index rows are one transaction. A segment of the archive is found once it has its name.
"""

import asyncio
import bisect
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import orjson
import zstandard
from hdrh.histogram import HdrHistogram

from bench.load import asked_at
from shared.postgres import connect_across_sites

_POLL_SECONDS = 0.005
_HEADS = "SELECT partition, position FROM audit.head"
_ENTRIES = "SELECT partition, position, event_id FROM audit.entry WHERE site_id = $1"


def histogram() -> HdrHistogram:
    """Of microseconds, up to ten minutes."""
    return HdrHistogram(1, 600_000_000, 3)


class Watch:
    """When each chain was first seen to reach how far."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[list[int], list[float]]] = {}

    @contextlib.asynccontextmanager
    async def watching(self, dsn: str) -> AsyncIterator[None]:
        """Keep asking for the length of the block."""
        db = await connect_across_sites(dsn)
        task = asyncio.create_task(self._ask(db))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await db.close()

    async def _ask(self, db: asyncpg.Connection) -> None:
        while True:
            rows, at = await db.fetch(_HEADS), time.time()
            for partition, position in rows:
                self.note(partition, position, at)
            await asyncio.sleep(_POLL_SECONDS)

    def note(self, partition: int, position: int, at: float) -> None:
        """A chain reaches this far at this moment."""
        positions, moments = self._seen.setdefault(partition, ([], []))
        if not positions or position > positions[-1]:
            positions.append(position)
            moments.append(at)

    def seen(self, partition: int, position: int) -> float:
        """When an entry was first seen."""
        positions, moments = self._seen[partition]
        return moments[bisect.bisect_left(positions, position)]


async def in_indexes(db: asyncpg.Connection, watch: Watch, site: str) -> HdrHistogram:
    """From asked to found in every index, of each decision on a site."""
    result = histogram()
    for partition, position, event_id in await db.fetch(_ENTRIES, site):
        result.record_value(int(1e6 * (watch.seen(partition, position) - asked_at(event_id))))
    return result


def in_archive(archive: Path, site: str) -> HdrHistogram:
    """From asked to found in the archive, of each decision on a site."""
    result = histogram()
    for path in archive.glob("events/*/*.ndjson.zst"):
        named = path.stat().st_ctime
        for line in zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read().splitlines():
            entry = orjson.loads(line)
            if entry["data"]["site_id"] == site:
                result.record_value(int(1e6 * (named - asked_at(UUID(entry["id"])))))
    return result
