"""Deciding a batch: in log order, each command on the state the one before it left."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from services.decision.domain.known import Directory, Of, PageMessage, known_for
from services.decision.domain.page import decide
from services.decision.domain.result import Cause, Decided
from services.rules.state import Approval, Page
from shared.contracts.commands import Comment
from shared.contracts.envelope import Envelope
from shared.contracts.events import CommandRefused, Event
from shared.contracts.topics import TYPE_OF


class Item(NamedTuple):
    """One readable record: where it lay on the log, its key, and what it says."""

    topic: str
    partition: int
    offset: int
    key: str
    envelope: Envelope

    @property
    def data(self) -> Any:
        """The command or fact."""
        return self.envelope.data


class Stored(NamedTuple):
    """The outcome of one command as it is kept: all that its event and reply say, as the bytes that were published.

    The fields are the columns of ``approvals.outcome``.
    """

    command_id: UUID
    site_id: str
    key: str
    reason: str | None
    version: int
    event_type: str
    event: str
    follow_ups: str | None
    decided_at: datetime
    page_id: str | None = None
    run: int | None = None
    round: int | None = None
    step: int | None = None
    voter_id: str | None = None
    verdict: str | None = None


@dataclass(slots=True)
class PageChange:
    """What a batch does to one page: from the version read, to the state after, with every outcome on the way."""

    read: Page
    after: Page
    outcomes: list[Stored] = field(default_factory=list)
    replaced: list[Approval] = field(default_factory=list)
    comments: list[tuple[UUID, str, Comment]] = field(default_factory=list)


class Seen(NamedTuple):
    """What was read for a batch: the pages, the outcomes that its commands already have, and the directory."""

    pages: Mapping[Of, Page]
    stored: Mapping[UUID, Stored]
    directory: Directory


@dataclass(slots=True)
class Batch:
    """What became of each item, and of each page. ``failed`` items raised an error no one foresaw."""

    items: Sequence[Item]
    changes: dict[Of, PageChange] = field(default_factory=dict)
    results: list[tuple[Item, Stored]] = field(default_factory=list)
    failed: list[tuple[Item, str]] = field(default_factory=list)


def decide_batch(items: Sequence[Item], seen: Seen, oldest: datetime, now: datetime) -> Batch:
    """Decide every item; one that was decided before, on the log or in this batch, keeps the outcome it has."""
    batch = Batch(items)
    outcomes: dict[UUID, Stored] = dict(seen.stored)
    failed: set[Of] = set()
    for item in items:
        message: PageMessage = item.data
        at = (message.site_id, message.page_id)
        if at in failed:
            batch.failed.append((item, "waiting"))
            continue
        known_outcome = outcomes.get(item.envelope.id)
        if known_outcome is None:
            change = batch.changes.get(at)
            if change is None:
                page = seen.pages.get(at) or Page(*at)
                change = batch.changes[at] = PageChange(page, page)
            try:
                known_outcome = _decide_one(item, message, change, seen.directory, oldest, now)
            except Exception as error:  # noqa: BLE001 - a bug must cost its own key only; it is quarantined and counted
                failed.add(at)
                batch.failed.append((item, type(error).__name__))
                continue
            if known_outcome is None:
                continue
            outcomes[item.envelope.id] = known_outcome
        batch.results.append((item, known_outcome))
    return batch


def _decide_one(
    item: Item, message: PageMessage, change: PageChange, directory: Directory, oldest: datetime, now: datetime,
) -> Stored | None:
    cause = Cause(item.envelope.id, message.caller.account_id)
    page = change.after
    decided = decide(message, cause, page, known_for(message, page, directory, oldest), now)
    if decided is None:
        return None
    outcome = store_form(item, decided, now)
    change.after = decided.state
    change.outcomes.append(outcome)
    if decided.replaced is not None:
        change.replaced.append(decided.replaced)
    if decided.comment is not None and cause.account_id is not None:
        change.comments.append((cause.id, cause.account_id, decided.comment))
    return outcome


def store_form(item: Item, decided: Decided[Any], now: datetime) -> Stored:
    """A decision as it is kept and published."""
    event = decided.event
    follow_ups = [[TYPE_OF[type(f)].type, f.model_dump_json()] for f in decided.follow_ups]
    return Stored(
        item.envelope.id, event.site_id, item.key, event.reason if isinstance(event, CommandRefused) else None,
        event.version, TYPE_OF[type(event)].type, event.model_dump_json(exclude_none=True),
        json.dumps(follow_ups) if follow_ups else None, now, event.page_id, *(decided.vote or ()),
    )


def follow_up_id(command_id: UUID, position: int) -> UUID:
    """The id of a command that another gave rise to; the same each time it is published."""
    return uuid5(command_id, f"follow-up {position}")


__all__ = ["Batch", "Event", "Item", "PageChange", "Stored", "decide_batch", "follow_up_id", "store_form"]
