"""Pure: from an event to its entry, and from entries to a chain."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from pydantic import ValidationError

from shared import chain
from shared.contracts.envelope import Unreadable
from shared.contracts.events import Event

RawHeaders = Iterable[tuple[str, bytes]]


class Entry(NamedTuple):
    """One event as it is audited: what it is found by, and all of it as canonical JSON."""

    event_id: UUID
    event_type: str
    site_id: str
    page_id: str | None
    space_id: str | None
    workflow_id: str | None
    actor_id: str | None
    occurred_at: datetime
    body: str


class Head(NamedTuple):
    """The end of one partition's chain; position 0 and ``chain.GENESIS`` before its first entry."""

    partition: int
    position: int = 0
    hash: bytes = chain.GENESIS


class Linked(NamedTuple):
    """An entry at its place in a chain."""

    entry: Entry
    partition: int
    position: int
    hash: bytes


def read(value: bytes | None, headers: RawHeaders) -> Entry:
    """The entry of one record of ``events.v1``.

    Any event can be audited, also one of a type that only a later release knows: what they all share is enough.

    :raises Unreadable: it is no event at all.
    """
    named = dict(headers)
    try:
        event_id, event_type = UUID(named["ce_id"].decode()), named["ce_type"].decode()
        data = orjson.loads(value or b"")
        return entry_of(event_id, event_type, data)
    except ValidationError as error:
        where = error.errors(include_input=False, include_url=False)[0]
        raise Unreadable(f"{where['type']} at {'.'.join(map(str, where['loc']))[:100]}") from None
    except (KeyError, ValueError, AttributeError, RecursionError) as error:
        raise Unreadable(f"event: {type(error).__name__}") from None


def entry_of(event_id: UUID, event_type: str, data: Any) -> Entry:
    """The entry of an event's parts.

    :raises ValueError: they are not those of an event, or cannot be written canonically.
    """
    event = Event.model_validate(data)
    body = chain.canonical({"data": data, "id": str(event_id), "type": event_type})
    return Entry(
        event_id, event_type, event.site_id, event.page_id, event.space_id, event.workflow_id, event.actor_id,
        event.occurred_at, body,
    )


def parsed(body: str) -> Entry:
    """The entry that a body says it is.

    :raises ValueError: it is not one.
    """
    said = orjson.loads(body)
    return entry_of(UUID(said["id"]), said["type"], said["data"])


def extend(head: Head, entries: Iterable[Entry]) -> list[Linked]:
    """Link entries to the end of a chain, in this order."""
    linked: list[Linked] = []
    position, previous = head.position, head.hash
    for entry in entries:
        position += 1
        previous = chain.link(previous, head.partition, position, entry.body)
        linked.append(Linked(entry, head.partition, position, previous))
    return linked


def checkpoint(previous: bytes, heads: Iterable[Head], at: datetime) -> tuple[str, bytes]:
    """What is kept of all chains' ends at one moment: canonical JSON, and its hash linked to the checkpoint before."""
    ends: list[Any] = [{"hash": h.hash.hex(), "partition": h.partition, "position": h.position} for h in heads]
    body = chain.canonical({"heads": ends, "taken_at": at.isoformat()})
    return body, chain.follow(previous, body)


def ends_of(body: str) -> list[Head]:
    """The ends of all chains that a checkpoint tells of.

    :raises ValueError: it is not a checkpoint.
    """
    try:
        return [Head(end["partition"], end["position"], bytes.fromhex(end["hash"])) for end in orjson.loads(body)["heads"]]
    except (KeyError, TypeError) as error:
        raise ValueError("not a checkpoint") from error
