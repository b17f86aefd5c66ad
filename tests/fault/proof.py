"""G1 to G3, G5 and G6, judged from what is stored alone: both topics read whole, and the tables."""

import json
from collections import defaultdict
from collections.abc import Iterable

from services.local.proof.evidence import Evidence, Message
from services.local.proof.gather import read_topic
from services.local.proof.oracle import recount
from shared.contracts.envelope import REPLY_PARTITION
from shared.contracts.reasons import Reason
from shared.contracts.topics import REPLIES
from shared.kafka import Outgoing


async def prove(found: Evidence, bootstrap: str, asked: Iterable[Outgoing]) -> None:
    """Fail on the first guarantee that what is stored does not bear out."""
    each_command_has_one_outcome(found)
    each_outcome_is_told_in_one_way(found)
    versions_have_no_gaps(found)
    votes_add_up(found)
    refusals_change_nothing(found)
    what_waits_holds_up_its_key(found)
    each_reply_is_the_outcome(found, (await read_topic(bootstrap, REPLIES.name))[0], asked)


def each_command_has_one_outcome(found: Evidence) -> None:
    """An outcome for every command that is not in quarantine, and none for anything else. (G1)"""
    held = {m.id for m in found.intake if m.place in found.quarantined}
    stored = {o["id"] for o in found.outcomes}
    assert {m.id for m in found.intake if m.is_command} - held <= stored
    assert stored <= {m.id for m in found.intake} - held


def each_outcome_is_told_in_one_way(found: Evidence) -> None:
    """However often an event was published, it was with the same bytes, on its command's partition, in version order."""
    told = defaultdict(set)
    versions: dict[str, list[int]] = defaultdict(list)
    stored = {o["id"]: o for o in found.outcomes}
    for m in found.events:
        if m.id not in told and m.id in stored and stored[m.id]["version"]:
            versions[m.key].append(stored[m.id]["version"])
        told[m.id].add((m.partition, m.key, m.type, m.value))
    partition = {m.id: m.partition for m in found.intake}
    assert told == {o["id"]: {(partition[o["id"]], o["key"], o["event_type"], o["raw"].encode())} for o in found.outcomes}
    assert all(each == sorted(each) for each in versions.values())


def versions_have_no_gaps(found: Evidence) -> None:
    """Each applied command or fact raised its page or workflow by one, and the row is at the last of them. (G3)"""
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for o in found.outcomes:
        if o["reason"] is None and o["version"]:
            versions[o["site_id"], o["key"]].append(o["version"])
    assert all(sorted(each) == list(range(1, len(each) + 1)) for each in versions.values())
    rows = {(p["site_id"], f"{p['site_id']}:{p['page_id']}"): p["version"] for p in found.pages}
    rows |= {(w["site_id"], f"{w['site_id']}:{w['workflow_id']}"): w["version"] for w in found.workflows}
    assert {key: len(each) for key, each in versions.items()} == rows


def votes_add_up(found: Evidence) -> None:
    """Each vote was by an approver of the active step, once; and the pages are as the votes make them. (G2)"""
    pages = {(p["site_id"], p["page_id"]): p for p in found.pages}
    for site, page, run, wrong in recount(found):
        assert wrong is None, f"page {page}: {wrong}"
        if run is not None:
            row = pages[site, page]
            assert (row["status"], row["step"], row["round"]) == (run.status, run.step, run.round), f"page {page}"
            assert run.status != "open" or row["approvals"] == len(run.votes), f"page {page}"


def refusals_change_nothing(found: Evidence) -> None:
    """A refusal has a reason from the list, no vote, and leaves nobody's words behind. (G5)"""
    refused = [o for o in found.outcomes if o["reason"] is not None]
    assert {o["reason"] for o in refused} <= set(Reason)
    assert {o["event_type"] for o in refused} <= {"approvalflow.event.command-refused.v1"}
    assert not any(o["voter_id"] or o["follow_ups"] or o["id"] in found.comments for o in refused)


def what_waits_holds_up_its_key(found: Evidence) -> None:
    """What cannot be read is kept, and with it whatever came later under its key. (G6)"""
    waiting: set[str] = set()
    for m in found.intake:
        held = m.place in found.quarantined
        assert held or (m.data is not None and m.key not in waiting), f"{m.place} was handled"
        if held:
            waiting.add(m.key)


def each_reply_is_the_outcome(found: Evidence, replies: list[Message], asked: Iterable[Outgoing]) -> None:
    """Everyone who asked for a reply got the one outcome, on the partition they named."""
    headers = [dict(message.headers) for message in asked]
    wanted = {h["ce_id"].decode(): int(h[REPLY_PARTITION]) for h in headers if REPLY_PARTITION in h}
    stored = {o["id"]: o for o in found.outcomes}
    got: dict[str, set[tuple[int, bytes]]] = defaultdict(set)
    for m in replies:
        got[m.id].add((m.partition, m.value))
    assert got.keys() == wanted.keys() & stored.keys()
    for id_, [(partition, value)] in got.items():
        said = json.loads(value)
        assert partition == wanted[id_]
        assert (said.get("reason"), said["version"]) == (stored[id_]["reason"], stored[id_]["version"])
