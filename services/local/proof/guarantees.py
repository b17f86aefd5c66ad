"""G1 to G6, each from the evidence to how much was checked and the first breach."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.local.proof import fate, trail
from services.local.proof.eligibility import Groups, seats
from services.local.proof.evidence import Evidence, Row, history, of
from services.local.proof.oracle import Run, recount
from shared.contracts.reasons import Reason

Breaches = Iterator[str | None]
"""One item for each thing checked: what is wrong with it, or None."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One guarantee: how many things were checked before a breach, if there is one, was found."""

    name: str
    promise: str
    checked: int
    breach: str | None


def one_outcome(found: Evidence) -> Breaches:
    """Every accepted command has exactly one outcome, and its event always said the same."""
    times = Counter(o["id"] for o in found.outcomes)
    known = {m.id: m for m in found.intake}
    for id_ in found.accepted - known.keys():
        yield f"command {id_} was accepted and is not on the log" if found.whole and not times[id_] else None
    for m in known.values():
        if m.is_command and m.data is not None and m.place not in found.quarantined:
            lost = not times[m.id] and m.data.get("site_id") not in found.trimmed_sites
            yield f"command {m.id} ({m.place}) has no outcome" if lost else None
    told: dict[str, set[bytes]] = defaultdict(set)
    for event in found.events:
        told[event.id].add(event.value)
    for o in found.outcomes:
        said = told.get(o["id"], set())
        if times[o["id"]] > 1 or len(said) > 1 or (said and said != {o["raw"].encode()}):
            yield of(found, o, "has more than one outcome")
        yield of(found, o, "has an outcome that was never published") if found.whole and not said else None
        if found.whole and o["id"] not in known:
            yield of(found, o, "has an outcome and was never asked")
    yield from _as_answered(found)


def _as_answered(found: Evidence) -> Breaches:
    """Whoever was told that a command was applied was told what is stored."""
    stored = {o["id"]: (o["reason"], o["version"]) for o in found.outcomes}
    for id_, version in found.applied.items():
        now = stored.get(id_)
        sound = now == (None, version) or (now is None and found.trimmed_sites)
        yield None if sound else f"command {id_} was answered as applied at version {version}, and is stored as {now}"


def votes_count(found: Evidence) -> Breaches:
    """A decision counts only if its actor was eligible; no vote is lost or counted twice."""
    rows = {(p["site_id"], p["page_id"]): p for p in found.pages}
    groups = Groups(found)
    for site, page, run, wrong in recount(found):
        if site in found.trimmed_sites:
            continue
        breach = wrong or _as_stored(run, rows.get((site, page)), found, groups)
        yield None if breach is None else f"{breach} ({history(found, site, f'{site}:{page}')})"


def _as_stored(run: Run | None, row: Row | None, found: Evidence, groups: Groups) -> str | None:
    if run is None:
        return None
    if row is None:
        return "the page is not stored"
    counted = {"run": run.run, "status": run.status, "step": run.step, "round": run.round,
               "approved_version": run.page_version, "approvals": len(run.votes)}
    for name, value in counted.items():
        if row[name] != value:
            return f"{name} is {row[name]}, by the votes {value}"
    step = found.definitions[run.workflow]["steps"][run.step]
    taken = {i for i in range(8 * len(row["seats"])) if row["seats"][i // 8] >> i % 8 & 1}
    sure, could = ({seat for voter, at in run.votes for seat in seats(step, row["site_id"], voter, at, groups, generous=g)}
                   for g in (False, True))
    return None if sure <= taken <= could else f"seats {sorted(taken)} are taken, by the votes {sorted(could)}"


def versions_rise(found: Evidence) -> Breaches:
    """``version`` rises by one with each applied command, without gaps, and the record is at the last."""
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for o in found.outcomes:
        if o["reason"] is None and o["version"] > 0:
            versions[o["site_id"], o["key"]].append(o["version"])
    rows = {(p["site_id"], f"{p['site_id']}:{p['page_id']}"): p["version"] for p in found.pages}
    rows |= {(w["site_id"], f"{w['site_id']}:{w['workflow_id']}"): w["version"] for w in found.workflows}
    for at in sorted(rows.keys() | versions.keys()):
        seen, stored = sorted(versions[at]), rows.get(at, 0)
        whole = list(range(1, stored + 1))
        sound = len(set(seen)) == len(seen) and set(seen) <= set(whole) if at[0] in found.trimmed_sites else seen == whole
        yield None if sound else f"the record is at version {stored}, the outcomes at {seen[-20:]} ({history(found, *at)})"


def refusals_change_nothing(found: Evidence) -> Breaches:
    """A refused command changes nothing but its own outcome, and says why with a reason from the closed list."""
    reached = {(o["site_id"], o["key"], o["version"]) for o in found.outcomes if o["reason"] is None}
    for o in found.outcomes:
        if o["reason"] is None:
            continue
        event = o["event"]
        left = o["version"] == 0 or (o["site_id"], o["key"], o["version"]) in reached or o["site_id"] in found.trimmed_sites
        wrongs = {
            "was refused for no declared reason": o["reason"] not in set(Reason) or event.get("reason") != o["reason"],
            "was refused, and its event says otherwise": o["event_type"] != "approvalflow.event.command-refused.v1",
            "was refused and cast a vote": o["voter_id"] is not None or o["run"] is not None,
            "was refused and gave rise to others": o["follow_ups"] is not None,
            "was refused and left its words": o["id"] in found.comments,
            "was refused and moved the version": not left,
        }
        yield next((of(found, o, what) for what, so in wrongs.items() if so), None)
    yield from _definitions(found)
    yield from _members(found)


def _definitions(found: Evidence) -> Breaches:
    """Each stored definition is there because one command for it was applied."""
    applied = Counter(
        (o["site_id"], o["event"]["workflow_id"]) for o in found.outcomes
        if o["reason"] is None and o["event"].get("change") in ("created", "changed") and "workflow_version" in o["event"]
    )
    stored = Counter((site, workflow) for site, workflow, _ in found.definitions)
    for at in stored.keys() | applied.keys():
        sound = stored[at] == applied[at] or at[0] in found.trimmed_sites
        yield None if sound else f"{stored[at]} definitions of which {applied[at]} were asked ({history(found, at[0], ':'.join(at))})"


def _members(found: Evidence) -> Breaches:
    """Each group is as the last push that was applied left it."""
    groups = Groups(found)
    for (site, group), members in groups.latest().items():
        sound = found.members.get((site, group), frozenset()) == members
        yield None if sound else f"a group is not as it was pushed last ({history(found, site, f'{site}:{group}')})"


GUARANTEES: tuple[tuple[str, str, Callable[[Evidence], Breaches]], ...] = (
    ("G1", "every accepted command has exactly one outcome", one_outcome),
    ("G2", "only eligible votes count; none is lost or counted twice", votes_count),
    ("G3", "versions rise by one, without gaps", versions_rise),
    ("G4", "every outcome is audited once, found by every index, archived", trail.audited),
    ("G5", "a refused command changes nothing", refusals_change_nothing),
    ("G6", "no message is dropped", fate.nothing_dropped),
)


def judge(found: Evidence) -> list[Finding]:
    """All six."""
    return [_first(name, promise, check(found)) for name, promise, check in GUARANTEES]


def _first(name: str, promise: str, breaches: Breaches) -> Finding:
    checked = 0
    for breach in breaches:
        checked += 1
        if breach is not None:
            return Finding(name, promise, checked, breach)
    return Finding(name, promise, checked, None)
