"""Pure: what releasing a key would do, as far as that can be told without reading what the records say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.contracts.reasons import Reason


class Service(StrEnum):
    """Who keeps a quarantine."""

    DECISION = "decision"
    AUDIT_FANOUT = "audit-fanout"


@dataclass(frozen=True, slots=True)
class Record:
    """One record and why it waits; ``done`` is true once it was set aside or released. ``size`` is in bytes, where it is told."""

    partition: int
    log_offset: int
    reason: str
    detail: str
    held_at: datetime
    size: int | None
    done: bool


@dataclass(frozen=True, slots=True)
class Released:
    """What became of a release: ``reason`` where it was refused, else how many went and how many still wait."""

    reason: str | None
    released: int
    remaining: int


class Fate(StrEnum):
    """What a release would do with a record."""

    AGAIN = "handled again"
    RETRIED = "tried again; it may fail as it did before"
    UNREADABLE = "cannot be read as it is, and stops the release"
    SKIPPED = "cannot be read as it is, and goes on waiting"
    ASIDE = "set aside: kept, and in nobody's way"
    WAITS = "goes on waiting behind it"


def foresee(service: Service, waiting: Sequence[Record], *, set_aside: bool = False) -> list[Fate]:
    """The fate of each record that waits, in order, by the reason it was kept for.

    ``decision`` stops at the first that it cannot read, unless that is the very first and is to be set aside;
    ``audit-fanout``, where nothing waits behind anything, passes over it.
    """
    if service is Service.AUDIT_FANOUT:
        return [Fate.SKIPPED for _ in waiting]
    fates: list[Fate] = []
    for place, record in enumerate(waiting):
        if Fate.UNREADABLE in fates:
            fates.append(Fate.WAITS)
        elif record.reason == Reason.MALFORMED:
            fates.append(Fate.ASIDE if set_aside and place == 0 else Fate.UNREADABLE)
        else:
            fates.append(Fate.RETRIED if record.reason == Reason.UNHANDLED else Fate.AGAIN)
    return fates
