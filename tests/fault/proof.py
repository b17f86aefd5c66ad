"""The guarantees, judged from what is stored alone: both topics read whole, and the tables."""

import json
from collections import defaultdict
from collections.abc import Iterable

from services.local.proof.evidence import Evidence, Message
from services.local.proof.gather import read_topic
from services.local.proof.guarantees import judge
from shared.contracts.envelope import REPLY_PARTITION
from shared.contracts.topics import REPLIES
from shared.kafka import Outgoing


async def prove(found: Evidence, bootstrap: str, asked: Iterable[Outgoing]) -> None:
    """Fail on what is not borne out by what is stored; of audit entries nothing is asked."""
    guarantees_hold(found, without="G4")
    each_event_is_where_its_command_is(found)
    each_reply_is_the_outcome(found, (await read_topic(bootstrap, REPLIES.name))[0], asked)


def guarantees_hold(found: Evidence, without: str = "") -> None:
    """Fail on the first breach of each guarantee, or if there was nothing that it could have been broken by."""
    findings = {finding.name: finding for finding in judge(found) if finding.name != without}
    assert {name: finding.breach for name, finding in findings.items() if finding.breach} == {}
    assert all(finding.checked for finding in findings.values())


def each_event_is_where_its_command_is(found: Evidence) -> None:
    """Each event is under its command's key and partition, and those of one key were first told in the order of its versions."""
    stored = {o["id"]: o for o in found.outcomes}
    partition = {m.id: m.partition for m in found.intake}
    first = {m.id: m for m in reversed(found.events)}
    assert {m.id: (m.key, m.partition, m.type) for m in found.events} == {
        id_: (o["key"], partition[id_], o["event_type"]) for id_, o in stored.items()
    }
    versions: dict[str, list[int]] = defaultdict(list)
    for m in sorted(first.values(), key=lambda m: m.offset):
        if stored[m.id]["version"]:
            versions[m.key].append(stored[m.id]["version"])
    assert all(each == sorted(each) for each in versions.values())


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
