"""Records of ``events.v1`` that could not be read."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from services.audit_fanout.store.entries import Connection
from shared.kafka import Record


@dataclass(frozen=True, slots=True)
class Held:
    """A record that is kept because it could not be read; ``detail`` names what is wrong and never quotes it."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


_HOLD = """
    INSERT INTO audit.quarantine (topic, partition, log_offset, key, value, headers, reason, detail)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8)
    ON CONFLICT (topic, partition, log_offset) DO NOTHING
"""


async def hold(db: Connection, record: Record, reason: str, detail: str) -> None:
    """Keep a record that cannot be read; one that is kept already stays as it is."""
    named = [[name, base64.b64encode(value or b"").decode()] for name, value in record.headers]
    await db.execute(
        _HOLD, record.topic, record.partition, record.offset, key_text(record.key), record.value or b"",
        orjson.dumps(named).decode(), reason, detail,
    )


_WAITING = "SELECT count(*) FROM audit.quarantine WHERE released_at IS NULL"


async def waiting(db: Connection) -> int:
    """How many records are kept that have no entry."""
    count: int = await db.fetchval(_WAITING)
    return count


def key_text(key: bytes | None) -> str:
    """A record's key as text that PostgreSQL can hold."""
    return (key or b"").decode(errors="backslashreplace").replace("\x00", "\\x00")


_HELD = """
    SELECT topic, partition, log_offset, key, value, headers FROM audit.quarantine
     WHERE key = ANY ($1::text[]) ORDER BY partition, log_offset
"""


async def held(db: Connection, keys: Iterable[str]) -> list[Held]:
    """What is kept under these keys, released or not, in the order of the log."""
    return [
        Held(r["topic"], r["partition"], r["log_offset"], r["key"], r["value"],
             tuple((name, base64.b64decode(value)) for name, value in r["headers"]))
        for r in await db.fetch(_HELD, list(keys))
    ]


_RELEASE = """
    UPDATE audit.quarantine SET released_at = now()
     WHERE topic = $1 AND partition = $2 AND log_offset = $3 AND released_at IS NULL
"""


async def release(db: Connection, record: Held) -> None:
    """This record has its entry now."""
    await db.execute(_RELEASE, record.topic, record.partition, record.offset)
