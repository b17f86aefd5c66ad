"""Records that could not be handled, and those of the same key that wait behind them."""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.decision.store.pages import Connection
from shared.contracts.reasons import Reason
from shared.kafka import Record


@dataclass(frozen=True, slots=True)
class Held:
    """A record to keep, or one that is kept; ``detail`` names what is wrong and never quotes it."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    reason: Reason
    detail: str = ""
    id: int = 0


def key_text(record: Record) -> str:
    """A record's key as text that PostgreSQL can hold; one without a key has its own place on the log as its key."""
    if record.key is None:
        return f"?{record.partition}/{record.offset}"
    return record.key.decode(errors="backslashreplace").replace("\x00", "\\x00")


def hold(record: Record, reason: Reason, detail: str = "") -> Held:
    """A record on its way to quarantine."""
    return Held(record.topic, record.partition, record.offset, key_text(record), record.value or b"",
                tuple(record.headers), reason, detail)


_BLOCKED = """
    SELECT DISTINCT ON (key) key, partition, log_offset FROM approvals.quarantine
     WHERE NOT set_aside AND key = ANY ($1::text[]) ORDER BY key, id
"""


async def blocked(db: Connection, keys: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Which of these keys have something waiting, and the partition and offset of the first of it."""
    return {row["key"]: (row["partition"], row["log_offset"]) for row in await db.fetch(_BLOCKED, list(keys))}


_ADD = """
    INSERT INTO approvals.quarantine (topic, partition, log_offset, key, value, headers, reason, detail)
    SELECT topic, partition, log_offset, key, value, headers::jsonb, reason, detail
      FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::text[])
        AS t (topic, partition, log_offset, key, value, headers, reason, detail)
    ON CONFLICT (topic, partition, log_offset) DO NOTHING
"""


async def add(db: Connection, records: Sequence[Held]) -> None:
    """Keep these records, in this order; one that is kept already stays as it is."""
    if not records:
        return
    rows: list[tuple[Any, ...]] = [
        (h.topic, h.partition, h.offset, h.key, h.value,
         json.dumps([[name, base64.b64encode(value or b"").decode()] for name, value in h.headers]), h.reason.value, h.detail)
        for h in records
    ]
    await db.execute(_ADD, *(list(column) for column in zip(*rows, strict=True)))


_KEPT = "SELECT log_offset FROM approvals.quarantine WHERE topic = $1 AND partition = $2 AND log_offset = ANY ($3::bigint[])"


async def kept(db: Connection, topic: str, partition: int, offsets: Iterable[int]) -> set[int]:
    """Which of these places on the log have their record here."""
    return {row["log_offset"] for row in await db.fetch(_KEPT, topic, partition, list(offsets))}


_CAUSES = "SELECT count(*) FROM approvals.quarantine WHERE NOT set_aside AND reason <> 'waiting'"


async def causes(db: Connection) -> int:
    """How many records are here on their own account, and not behind another."""
    count: int = await db.fetchval(_CAUSES)
    return count


_WAITING = """
    SELECT id, topic, partition, log_offset, key, value, headers, reason, detail FROM approvals.quarantine
     WHERE key = $1 AND NOT set_aside ORDER BY partition, log_offset
"""


async def waiting(db: Connection, key: str) -> list[Held]:
    """What waits under a key, in the order of the log."""
    return [
        Held(r["topic"], r["partition"], r["log_offset"], r["key"], r["value"],
             tuple((name, base64.b64decode(value)) for name, value in r["headers"]), Reason(r["reason"]), r["detail"],
             r["id"])
        for r in await db.fetch(_WAITING, key)
    ]


_SET_ASIDE = "UPDATE approvals.quarantine SET set_aside = true WHERE id = $1"


async def set_aside(db: Connection, record: Held) -> None:
    """Keep a record that can never be read, where it no longer holds anybody up."""
    await db.execute(_SET_ASIDE, record.id)


_DROP = "DELETE FROM approvals.quarantine WHERE id = ANY ($1::bigint[])"


async def drop(db: Connection, records: Sequence[Held]) -> None:
    """Forget records that have an outcome now."""
    await db.execute(_DROP, [record.id for record in records])
