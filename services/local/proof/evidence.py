"""What the guarantees are judged by: both topics from their beginning, the tables they became, and the archive."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

Row = dict[str, Any]
Place = tuple[str, int, int]
"""Topic, partition and offset."""
INDEXES = ("page_id", "space_id", "workflow_id", "actor_id", "occurred_at")
"""What an audit entry is found by, each within its site."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record of the log. ``data`` is None where the value is no JSON object; ``id`` and ``type`` are empty if absent."""

    topic: str
    partition: int
    offset: int
    key: str
    type: str
    id: str
    value: bytes
    data: Row | None

    @property
    def place(self) -> Place:
        """Where on the log it is."""
        return self.topic, self.partition, self.offset

    @property
    def is_command(self) -> bool:
        """Is it something asked for, as far as its header says?"""
        return self.type.startswith("approvalflow.command.")

    def named(self, kind: str) -> bool:
        """Is it of this kind, as in ``record-decision``?"""
        return self.type.rpartition(".v")[0].rpartition(".")[2] == kind


@dataclass(frozen=True, slots=True)
class Removed:
    """Neighbouring audit entries that retention took."""

    partition: int
    first_position: int
    last_position: int

    @property
    def count(self) -> int:
        """How many they were."""
        return self.last_position - self.first_position + 1


@dataclass(slots=True)
class Evidence:
    """Everything. Rows are as stored; ``event`` is an outcome's event as read."""

    accepted: set[str] = field(default_factory=set)
    """Ids of commands that somebody outside was told were accepted, if anybody kept them."""
    applied: dict[str, int] = field(default_factory=dict)
    """What somebody outside was told of a command that was applied: the version that it made."""
    told: set[tuple[str, str, int]] = field(default_factory=set)
    """Site, page and Unix milliseconds of what happened to pages, as far as somebody outside was told that it is known."""
    clock_error: timedelta = timedelta()
    """By how much the clocks of those who decided may have been wrong."""
    intake: list[Message] = field(default_factory=list)
    events: list[Message] = field(default_factory=list)
    whole: bool = True
    """Does the log still begin at its first record?"""
    outcomes: list[Row] = field(default_factory=list)
    pages: list[Row] = field(default_factory=list)
    workflows: list[Row] = field(default_factory=list)
    definitions: dict[tuple[str, str, int], Row] = field(default_factory=dict)
    members: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    comments: set[str] = field(default_factory=set)
    quarantined: set[Place] = field(default_factory=set)
    entries: list[Row] = field(default_factory=list)
    found_by: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """For each of ``INDEXES``: site and event id of what a search by it found."""
    removed: list[Removed] = field(default_factory=list)
    trimmed_sites: set[str] = field(default_factory=set)
    """Sites whose outcomes retention has removed some of."""
    archived: dict[str, Row] | None = None
    """The archive's lines by event id; None where there is no archive."""
    unreadable_segments: list[str] = field(default_factory=list)
    """Files of the archive that are not what their sidecar says."""


def message(record: Any) -> Message:
    """A record as it was written; what cannot be read of it stays empty."""
    headers = dict(record.headers)
    try:
        data = json.loads(record.value)
    except (TypeError, ValueError):
        data = None
    text = {name: headers.get(name, b"").decode(errors="replace") for name in ("ce_type", "ce_id")}
    return Message(
        record.topic, record.partition, record.offset, (record.key or b"").decode(errors="backslashreplace"),
        text["ce_type"], text["ce_id"].lower(), record.value or b"", data if isinstance(data, dict) else None,
    )



def history(found: Evidence, site: str, key: str, most: int = 8) -> str:
    """What became of the last commands of a key, in order: for a person who has to find out why."""
    mine = sorted((o for o in found.outcomes if o["site_id"] == site and o["key"] == key),
                  key=lambda o: (o["version"], o["decided_at"]))
    steps = [f"{o['version']} {o['reason'] or o['event_type'].split('.')[2]} by {o['id']}" for o in mine[-most:]]
    return f"{key}: " + ("; ".join(["…", *steps] if len(mine) > most else steps) or "no outcomes")


def of(found: Evidence, outcome: Row, what: str) -> str:
    """A breach: the command, what is wrong with it, and the history of its key."""
    return f"command {outcome['id']} {what} ({history(found, outcome['site_id'], outcome['key'])})"
