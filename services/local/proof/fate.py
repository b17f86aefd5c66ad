"""G6: every record of the log was handled, told nothing new, or waits where a person can see it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from services.local.proof.evidence import Evidence, Message, Row, of

_EPOCH = datetime.fromtimestamp(0, UTC)
_EDITS = ("created", "updated", "published")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_STATES = ("trashed", "restored", "archived", "unarchived", "removed")


def nothing_dropped(found: Evidence) -> Iterator[str | None]:
    """An outcome, a place in quarantine, or nothing new; and each command that another gave rise to was asked."""
    outcomes = {o["id"]: o for o in found.outcomes}
    told: dict[tuple[str, bool], Told] = {}
    for m in found.intake:
        known = told.setdefault((m.key, m.named("page-changed") or m.named("submit-approval")), Told())
        handled = m.id in outcomes or m.place in found.quarantined
        if not handled and (m.data or {}).get("site_id") not in found.trimmed_sites:
            new = m.is_command or m.data is None or known.news(m, m.data)
            yield f"record {m.place} of {m.key}, id {m.id}, left nothing behind" if new else None
        else:
            yield None
        if m.data is not None and m.place not in found.quarantined:
            known.take(m, m.data, applied=m.id in outcomes and outcomes[m.id]["reason"] is None)
    if found.whole:
        yield from _follow_ups(found)
        yield from _told(found)


def _told(found: Evidence) -> Iterator[str | None]:
    """Each event of a page that was acknowledged to who sent it is on the log."""
    logged = {
        (m.data["site_id"], m.data["page_id"], (_at(m.data) - _EPOCH) // timedelta(milliseconds=1))
        for m in found.intake if m.data is not None and m.named("page-changed")
    }
    for site, page, at in found.told:
        yield None if (site, page, at) in logged else f"what happened to {site}:{page} at {at} ms was acknowledged and is not on the log"


def _follow_ups(found: Evidence) -> Iterator[str | None]:
    asked = {m.id for m in found.intake}
    for o in found.outcomes:
        for position in range(len(json.loads(o["follow_ups"] or "[]"))):
            missing = str(uuid5(UUID(o["id"]), f"follow-up {position}")) not in asked
            yield of(found, o, f"gave rise to command {position}, which was never asked") if missing else None


def _at(data: Row) -> datetime:
    return datetime.fromisoformat(data["happened_at"]) if "happened_at" in data else _LONG_AGO


@dataclass(slots=True)
class Told:
    """What the records about one page, space or site said so far, as far as a later one could only repeat it."""

    version: int = 0
    space: str | None = None
    edited_at: datetime = _LONG_AGO
    state_at: datetime = _LONG_AGO
    purged: bool = False

    def news(self, m: Message, data: Row) -> bool:
        """Does this fact say something that none before it did? Versions order edits, Confluence's time all else."""
        change, at = data.get("change"), _at(data)
        if not m.named("page-changed"):
            return change not in ("created", "updated") and at > self.state_at
        if change in _STATES and not self.purged and (at > self.state_at or change == "removed"):
            return True
        version = data.get("page_version")
        if version is None and change in _EDITS and at > self.edited_at:
            return True
        space = data.get("space_id")
        return (version or 0) > self.version or (space not in (None, self.space) and at >= self.edited_at)

    def take(self, m: Message, data: Row, *, applied: bool) -> None:
        """Remember it. A submission that was applied tells of a version and a space too."""
        submitted = m.named("submit-approval") and applied
        if m.is_command and not submitted:
            return
        change, at = data.get("change"), _at(data)
        self.version = max(self.version, data.get("page_version") or 0)
        self.space = (self.space or data.get("space_id")) if submitted else (data.get("space_id") or self.space)
        if change in _EDITS or data.get("page_version") is not None:
            self.edited_at = max(self.edited_at, at)
        if change in _STATES or not m.named("page-changed"):
            self.state_at = max(self.state_at, at)
        self.purged = self.purged or change == "removed"
