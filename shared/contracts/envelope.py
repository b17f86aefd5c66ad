"""CloudEvents 1.0, Kafka binding, binary mode: attributes in headers, JSON in the value.

Headers are read by hand: four of them matter, and this runs once for every record of the hot path.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, ValidationError

from shared.contracts.topics import TYPE_OF, Topic

Headers = list[tuple[str, bytes]]
REPLY_PARTITION = "approvalflow_reply_partition"
"""Header of a command whose sender waits: the partition of ``replies.v1`` it listens on."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Unreadable(Exception):
    """A record that can never be handled as it is; its text names what is wrong, never what it holds."""


class Envelope(NamedTuple):
    """A message and what its headers say of it."""

    id: UUID
    time: datetime
    data: BaseModel
    reply_partition: int | None = None
    traceparent: str | None = None


def headers(
    message: type[BaseModel], id: UUID, time: datetime, source: str,  # noqa: A002 - CloudEvents' own attribute name
    reply_partition: int | None = None, traceparent: str | None = None,
) -> Headers:
    """The headers a message of this type travels with."""
    result = [*_constant(message, source), ("ce_id", str(id).encode()), ("ce_time", time.isoformat().encode())]
    if reply_partition is not None:
        result.append((REPLY_PARTITION, str(reply_partition).encode()))
    if traceparent is not None:
        result.append(("traceparent", traceparent.encode()))
    return result


@lru_cache(maxsize=256)
def _constant(message: type[BaseModel], source: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("ce_specversion", b"1.0"), ("ce_type", TYPE_OF[message].type.encode()), ("ce_source", source.encode()),
        ("content-type", b"application/json"),
    )


def parse(topic: Topic, value: bytes | None, raw_headers: tuple[tuple[str, bytes], ...]) -> Envelope:
    """Read one record.

    :raises Unreadable: a header or the value is not what the topic carries.
    """
    named = dict(raw_headers)
    try:
        route = topic.routes[named["ce_type"].decode()]
        time = datetime.fromisoformat(named["ce_time"].decode())
        reply = named.get(REPLY_PARTITION)
        return Envelope(
            UUID(named["ce_id"].decode()), time if time.tzinfo else time.replace(tzinfo=UTC),
            route.model.model_validate_json(value or b""),
            None if reply is None else int(reply),
            _traceparent(named["traceparent"].decode()) if "traceparent" in named else None,
        )
    except ValidationError as error:
        where = error.errors(include_input=False, include_url=False)[0]
        # The name of a field that a message does not have is its sender's own text.
        place = where["loc"][:-1] if where["type"] == "extra_forbidden" else where["loc"]
        raise Unreadable(f"{where['type']} at {'.'.join(map(str, place))[:100]}") from None
    except (KeyError, ValueError, AttributeError) as error:
        raise Unreadable(f"header: {type(error).__name__}") from None


def _traceparent(said: str) -> str | None:
    """What a record's sender said, if it is what it should be: it goes on to whatever follows from the record."""
    return said if _TRACEPARENT.fullmatch(said) else None
