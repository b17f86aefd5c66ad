"""Where events go. Writing the same events again changes nothing, so that each sink can be behind by itself."""

import asyncio
import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import asyncpg
import fsspec
import orjson
import zstandard
from fsspec.implementations.local import LocalFileSystem

from services.audit_fanout import metrics
from services.audit_fanout.domain import Entry, extend
from services.audit_fanout.store import entries as store
from shared.kafka import Record
from shared.tracing import Kind

Events = Sequence[tuple[Record, Entry]]


class Sink(Protocol):
    """One place for events, with a consumer group and an offset of its own."""

    name: str
    span: Kind

    async def write(self, events: Events) -> None:
        """Keep these events durably; those it has are passed over. Raises whatever kept it from doing so."""


class TooManyRaces(Exception):
    """Another writer moved the chains too many times in a row; the batch comes again."""


class Store:
    """The queryable store: one entry for each event, linked into its partition's chain."""

    name, span = "store", metrics.STORE

    def __init__(self, pool: asyncpg.Pool, attempts: int) -> None:
        self._pool = pool
        self._attempts = attempts
        self._months: set[tuple[int, int]] = set()

    async def write(self, events: Events) -> None:
        """Add what is new.

        :raises TooManyRaces: another writer was first again and again.
        """
        for _ in range(self._attempts):
            try:
                await self._append(events)
            except (asyncpg.UniqueViolationError, _Lost):
                metrics.conflicts.add(1)
            except asyncpg.CheckViolationError:  # a month that was there has been dropped
                self._months.clear()
            else:
                return
        raise TooManyRaces

    async def _append(self, events: Events) -> None:
        async with self._pool.acquire() as db, db.transaction():
            months = await self._make_room(db, events)
            heads = await store.heads(db, (record.partition for record, _ in events))
            known = await store.present(db, [entry for _, entry in events])
            fresh: dict[int, list[Entry]] = defaultdict(list)
            for record, entry in events:
                if entry.event_id not in known:
                    known.add(entry.event_id)
                    fresh[record.partition].append(entry)
            linked = [one for partition, entries in fresh.items() for one in extend(heads[partition], entries)]
            if linked and not await store.append(db, heads, linked):
                raise _Lost
        self._months |= months  # only now is their table there to stay
        metrics.repeated.add(len(events) - len(linked))

    async def _make_room(self, db: store.Connection, events: Events) -> set[tuple[int, int]]:
        """Ask for the months that this process has not seen there; returns them."""
        months = {(e.occurred_at.year, e.occurred_at.month): e.occurred_at for _, e in events}
        missing = months.keys() - self._months
        if missing:
            await store.ensure_months(db, [months[month] for month in missing])
        return missing


class _Lost(Exception):
    """A chain moved since it was read."""


class Archive:
    """Files of compressed NDJSON, one for each partition of a batch, each with a sidecar that says what is in it.

    A file is named after the offsets it covers, so writing a batch again writes the same file, and two writers of
    one partition never replace each other's. An event may stand in two files: readers drop repeated ids.
    """

    name, span = "archive", metrics.ARCHIVE

    def __init__(self, url: str) -> None:
        self._files, root = fsspec.url_to_fs(url)
        self._root = root.rstrip("/")

    async def write(self, events: Events) -> None:
        """Write a segment for each partition; durable, where it is a local directory, before this returns."""
        lanes: dict[int, list[tuple[Record, Entry]]] = defaultdict(list)
        for record, entry in events:
            lanes[record.partition].append((record, entry))
        await asyncio.to_thread(self._write_all, lanes)

    def _write_all(self, lanes: dict[int, list[tuple[Record, Entry]]]) -> None:
        for partition, lane in lanes.items():
            lines = b"".join(entry.body.encode() + b"\n" for _, entry in lane)
            segment = zstandard.ZstdCompressor(level=3).compress(lines)
            first, last = lane[0][0].offset, lane[-1][0].offset
            stem = f"{self._root}/events/p{partition:05}/{first:020}-{last:020}"
            about = {"partition": partition, "first_offset": first, "last_offset": last, "count": len(lane),
                     "sha256": hashlib.sha256(segment).hexdigest()}
            self.put(f"{stem}.ndjson.zst", segment)
            self.put(f"{stem}.json", orjson.dumps(about))

    def checkpoint(self, number: int, body: str, digest: bytes) -> None:
        """Keep a checkpoint where whoever can write to the database cannot."""
        kept = {"number": number, "body": body, "hash": digest.hex()}
        self.put(f"{self._root}/checkpoints/{number:020}.json", orjson.dumps(kept))

    def put(self, path: str, content: bytes) -> None:
        """A whole file or none: an object store does it so, and a directory gets it under its name when it is complete."""
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        part = f"{path}.{uuid4().hex}.part"  # two processes may write the same file
        with self._files.open(part, "wb") as file:
            file.write(content)
            if isinstance(self._files, LocalFileSystem):
                file.flush()
                os.fsync(file.fileno())
        self._files.mv(part, path)
        if isinstance(self._files, LocalFileSystem):
            _keep_name(Path(path).parent)


def _keep_name(directory: Path) -> None:
    """A file's new name survives a power cut only once its directory has been written."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
