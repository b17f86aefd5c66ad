"""What should have happened to each page, recounted from its events alone, by rules written a second time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from services.local.proof.eligibility import Groups, Written, complete, seats
from services.local.proof.evidence import Evidence, Message, Row


@dataclass(slots=True)
class Run:
    """One approval, as recounted so far. ``votes`` are the approvals on the active step of the present round."""

    run: int
    workflow: tuple[str, str, int]
    page_version: int
    status: str = "open"
    step: int = 0
    round: int = 1
    votes: list[tuple[str, datetime]] = field(default_factory=list)
    voted: set[tuple[int, int, str]] = field(default_factory=set)


def recount(found: Evidence) -> Iterator[tuple[str, str, Run | None, str | None]]:
    """For each page: its site, its id, its approval as recounted, and the first thing that should not have happened."""
    asked = {m.id: m for m in found.intake}
    groups = Groups(found)
    about_pages = [o for o in found.outcomes if o["page_id"] is not None and o["key"] == f"{o['site_id']}:{o['page_id']}"]
    # A refusal was judged on the state that the version it names left.
    about_pages.sort(key=lambda o: (o["site_id"], o["page_id"], o["version"], o["reason"] is not None))
    for (site, page), outcomes in groupby(about_pages, key=lambda o: (o["site_id"], o["page_id"])):
        run: Run | None = None
        wrong: str | None = None
        written = Written()
        for outcome in outcomes:
            record = asked.get(outcome["id"])
            if wrong is None and outcome["reason"] is not None:
                wrong = _unjust(run, outcome, found, groups, record)
            elif wrong is None:
                run, wrong = _after(run, outcome, found, groups, record)
                wrong = wrong or _own(run, outcome, found, written)
                written.note(record)
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
    if said and run.step + 1 == len(definition["steps"]):
        run.status = "approved"
    elif said:
        run.step, run.votes = run.step + 1, []
    return None if o["event"]["status"] == run.status else f"{where}: status {o['event']['status']}"


def _as_asked(o: Row, asked: Message) -> str | None:
    data = asked.data or {}
    caller = data.get("caller") or {}
    if not asked.named("record-decision") or caller.get("account_id") != o["voter_id"] or data.get("verdict") != o["verdict"]:
        return "is not what its command asked for"
    if caller.get("environment") == "production" and caller.get("licence") == "inactive":
        return "was taken from a site whose licence had lapsed"
    return None


def _own(run: Run | None, o: Row, found: Evidence, written: Written) -> str | None:
    """Four-eyes: nobody approves what they wrote."""
    if run is None or o["verdict"] != "approve" or not found.definitions[run.workflow].get("four_eyes", True):
        return None
    own = written.by(o["voter_id"], o["event"]["page_version"])
    return f"version {o['version']}: vote {o['id']} approves what its voter wrote" if own else None


def _unjust(run: Run | None, o: Row, found: Evidence, groups: Groups, asked: Message | None) -> str | None:
    """A vote that was refused although nothing spoke against it is a vote lost: what is wrong with it, or None."""
    if asked is None or asked.data is None or not asked.named("record-decision"):
        return None
    data = asked.data
    caller, where = data["caller"], f"version {o['version']}: vote {o['id']}, refused as {o['reason']}"
    if run is None or data["approval_id"] != f"{o['page_id']}-{run.run}":
        return None if o["reason"] in ("not_found", "approval_closed", "licence_inactive") else f"{where}, is on no such approval"
    step = found.definitions[run.workflow]["steps"][run.step]
    voter = caller.get("account_id")
    seated = voter is not None and bool(seats(step, o["site_id"], voter, o["decided_at"], groups, generous=False))
    said = {
        "approval_closed": run.status != "open",
        "not_an_approver": not seated,
        "already_decided": (run.round, run.step, voter) in run.voted,
        "page_version_stale": data["page_version"] != run.page_version,
        "version_conflict": data.get("expected_version") not in (None, o["version"]),
        "comment_required": data["verdict"] == "reject" and data.get("comment") is None,
        "four_eyes": data["verdict"] == "approve" and found.definitions[run.workflow].get("four_eyes", True),
        "licence_inactive": caller["environment"] == "production" and caller["licence"] != "active",
        "facts_stale": True,  # how old is too old is a setting
    }
    return None if said.get(o["reason"], False) else f"{where}, which it was not"
