"""Who could decide on a step, when they were enough, and who had written what they decided on."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from services.local.proof.evidence import Evidence, Message, Row

GRACE = timedelta(seconds=10)
"""A vote is judged on a directory read shortly before the moment written on it, while a push may be committing."""


class Groups:
    """Who was in which group, and when: by the pushes that were applied, or as it is now where the log has forgotten."""

    def __init__(self, found: Evidence) -> None:
        applied = {o["id"]: o["decided_at"] for o in found.outcomes if o["reason"] is None}
        self._pushes: dict[tuple[str, str], dict[str, tuple[datetime, frozenset[str]]]] = {}
        self._now = found.members
        self._error = found.clock_error
        for m in found.intake:
            if m.data is not None and m.named("record-group-members") and m.id in applied:
                of = (m.data["site_id"], m.data["group_id"])
                self._pushes.setdefault(of, {})[m.id] = (applied[m.id], frozenset(m.data["members"]))

    def could_be(self, site: str, group: str, at: datetime) -> list[frozenset[str]]:
        """The memberships that someone deciding at this moment may have read: mostly one."""
        pushes = sorted(self._pushes.get((site, group), {}).values(), key=lambda p: p[0])
        before = [p for p in pushes if p[0] <= at + self._error]
        if not before:
            return [self._now.get((site, group), frozenset())] if not pushes else [frozenset()]
        current = [p[1] for p in before[-1:]]
        return current + [p[1] for p, after in pairwise(before) if after[0] > at - GRACE - self._error]

    def latest(self) -> dict[tuple[str, str], frozenset[str]]:
        """Each group as its last push left it."""
        return {of: max(pushes.values(), key=lambda p: p[0])[1] for of, pushes in self._pushes.items()}


def seats(step: Row, site: str, voter: str, at: datetime, groups: Groups, *, generous: bool) -> set[int]:
    """Which approvers of a step a person spoke for: all they may have been read as, or only what is beyond doubt."""
    found = set()
    for position, approver in enumerate(step["approvers"]):
        if approver["kind"] == "account":
            if approver["id"] == voter:
                found.add(position)
            continue
        readings = [voter in members for members in groups.could_be(site, approver["id"], at)]
        if any(readings) if generous else all(readings):
            found.add(position)
    return found


def complete(step: Row, approved_by: list[tuple[str, datetime]], site: str, groups: Groups, *, generous: bool) -> bool:
    """Are these approvals enough for the step?"""
    rule = step["rule"]
    match rule["kind"]:
        case "any":
            return len(approved_by) > 0
        case "quorum":
            return len({voter for voter, _ in approved_by}) >= int(rule["n"])
        case _:
            taken = [seats(step, site, voter, at, groups, generous=generous) for voter, at in approved_by]
            return set().union(*taken) == set(range(len(step["approvers"])))


@dataclass(slots=True)
class Written:
    """Who wrote and last edited a page, by the facts taken in so far."""

    editors: dict[int, str] = field(default_factory=dict)
    authors: set[str] = field(default_factory=set)

    def note(self, asked: Message | None) -> None:
        """Take in one applied fact; of two that name the editor of a version, the first counts."""
        if asked is None or asked.data is None or not asked.named("page-changed"):
            return
        version, editor, author = (asked.data.get(name) for name in ("page_version", "editor_id", "author_id"))
        if version is not None and editor is not None:
            self.editors.setdefault(version, editor)
        if author is not None:
            self.authors.add(author)

    def by(self, person: str, page_version: int) -> bool:
        """Is this person beyond doubt the author of the page, or the last editor of the version?"""
        return self.authors == {person} or self.editors.get(page_version) == person
