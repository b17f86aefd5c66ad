"""What should have happened to each page, recounted from its events alone, by rules written a second time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from services.local.evidence import Evidence, Message, Row

GRACE = timedelta(seconds=10)
"""A vote is judged on a directory read shortly before the moment written on it, while a push may be committing."""


@dataclass(slots=True)
class Run:
    """One approval, as recounted so far. ``votes`` are those on the active step of the present round."""

    run: int
    workflow: tuple[str, str, int]
    page_version: int
    status: str = "open"
    step: int = 0
    round: int = 1
    votes: list[tuple[str, datetime]] = field(default_factory=list)
    voted: set[tuple[int, int, str]] = field(default_factory=set)


class Groups:
    """Who was in which group, and when: by the pushes that were applied, or as it is now where the log has forgotten."""

    def __init__(self, found: Evidence) -> None:
        applied = {o["id"]: o["decided_at"] for o in found.outcomes if o["reason"] is None}
        self._pushes: dict[tuple[str, str], dict[str, tuple[datetime, frozenset[str]]]] = {}
        self._now = found.members
        for m in found.intake:
            if m.data is not None and m.named("record-group-members") and m.id in applied:
                of = (m.data["site_id"], m.data["group_id"])
                self._pushes.setdefault(of, {})[m.id] = (applied[m.id], frozenset(m.data["members"]))

    def could_be(self, site: str, group: str, at: datetime) -> list[frozenset[str]]:
        """The memberships that someone deciding at this moment may have read: mostly one."""
        pushes = sorted(self._pushes.get((site, group), {}).values(), key=lambda p: p[0])
        before = [p for p in pushes if p[0] <= at]
        if not before:
            return [self._now.get((site, group), frozenset())] if not pushes else [frozenset()]
        current = [p[1] for p in before[-1:]]
        return current + [p[1] for p, after in pairwise(before) if after[0] > at - GRACE]


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


def recount(found: Evidence) -> Iterator[tuple[str, str, Run | None, str | None]]:
    """For each page: its site, its id, its approval as recounted, and the first thing that should not have happened."""
    asked = {m.id: m for m in found.intake}
    groups = Groups(found)
    about_pages = [o for o in found.outcomes if o["page_id"] is not None and o["reason"] is None and o["version"] > 0
                   and o["key"] == f"{o['site_id']}:{o['page_id']}"]
    about_pages.sort(key=lambda o: (o["site_id"], o["page_id"], o["version"]))
    for (site, page), outcomes in groupby(about_pages, key=lambda o: (o["site_id"], o["page_id"])):
        run: Run | None = None
        wrong: str | None = None
        for outcome in outcomes:
            if wrong is None:
                run, wrong = _after(run, outcome, found, groups, asked.get(outcome["id"]))
        yield site, page, run, wrong


def _after(run: Run | None, o: Row, found: Evidence, groups: Groups, asked: Message | None) -> tuple[Run | None, str | None]:
    event, kind = o["event"], o["event_type"].removeprefix("approvalflow.event.").removesuffix(".v1")
    if kind == "approval-submitted":
        number = int(event["approval_id"].rpartition("-")[2])
        if number != (run.run + 1 if run else 1):
            return run, f"version {o['version']}: run {number} does not follow {run.run if run else 'none'}"
        of = (o["site_id"], event["workflow_id"], event["workflow_version"])
        return Run(number, of, event["page_version"]), None
    if run is None:
        return None, None if kind == "page-recorded" else f"version {o['version']}: {kind} without an approval"
    if kind == "decision-recorded":
        return run, _vote(run, o, found, groups, asked)
    if kind == "approval-reset":
        after = Run(run.run, run.workflow, event["page_version"], round=run.round + 1, voted=run.voted)
        return after, None if event["round"] == after.round else f"version {o['version']}: round {event['round']}"
    if kind == "approval-cancelled":
        run.status = "cancelled"
    elif kind == "approval-kept":
        run.page_version = event["page_version"]
    return run, None


def _vote(run: Run, o: Row, found: Evidence, groups: Groups, asked: Message | None) -> str | None:
    """Take in one vote; what is wrong with it, or None."""
    event, site, voter = o["event"], o["site_id"], o["voter_id"]
    definition = found.definitions.get(run.workflow)
    where = f"version {o['version']}: vote {o['id']}"
    if voter is None or definition is None or run.step >= len(definition["steps"]):
        return f"{where} has no voter, or its workflow no such step"
    if run.status != "open" or (o["run"], o["round"], o["step"]) != (run.run, run.round, run.step):
        return f"{where} is on step {o['step']} of round {o['round']}, not on the active one"
    if event["page_version"] != run.page_version or event["actor_id"] != voter:
        return f"{where} is on another page version, or by another person than it says"
    if asked is not None and (wrong := _as_asked(o, asked)):
        return f"{where} {wrong}"
    step = definition["steps"][run.step]
    if not seats(step, site, voter, o["decided_at"], groups, generous=True):
        return f"{where} is by someone who was no approver of the step"
    if (run.round, run.step, voter) in run.voted:
        return f"{where} is the person's second on this step"
    run.voted.add((run.round, run.step, voter))
    return _counted(run, o, definition, groups, where)


def _counted(run: Run, o: Row, definition: Row, groups: Groups, where: str) -> str | None:
    if o["verdict"] == "reject":
        run.status = "rejected"
        return None if o["event"]["status"] == "rejected" and not o["event"]["step_completed"] else f"{where}: status"
    run.votes.append((o["voter_id"], o["decided_at"]))
    step, said = definition["steps"][run.step], o["event"]["step_completed"]
    could = {complete(step, run.votes, o["site_id"], groups, generous=generous) for generous in (True, False)}
    if said not in could:
        return f"{where}: the step is said to be {'complete' if said else 'incomplete'}, by its rule it is not"
    if said:
        run.step, run.votes = run.step + 1, []
        if run.step == len(definition["steps"]):
            run.status, run.step = "approved", run.step - 1
    return None if o["event"]["status"] == run.status else f"{where}: status {o['event']['status']}"


def _as_asked(o: Row, asked: Message) -> str | None:
    data = asked.data or {}
    caller = data.get("caller") or {}
    if not asked.named("record-decision") or caller.get("account_id") != o["voter_id"] or data.get("verdict") != o["verdict"]:
        return "is not what its command asked for"
    if caller.get("environment") == "production" and caller.get("licence") == "inactive":
        return "was taken from a site whose licence had lapsed"
    return None
