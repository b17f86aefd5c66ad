"""G4: what happened and what the audit log, each of its indexes, and the archive say happened are the same."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator

from services.local.proof.evidence import INDEXES, Evidence, Row, of


def audited(found: Evidence) -> Iterator[str | None]:
    """Every outcome has its entry once, findable by every index, and archived; no entry lacks its command."""
    entries: dict[str, list[Row]] = defaultdict(list)
    for entry in found.entries:
        entries[entry["id"]].append(entry)
    outcomes = {o["id"]: o for o in found.outcomes}
    gone = sum(r.count for r in found.removed)
    for o in found.outcomes:
        mine = entries.get(o["id"], [])
        if not mine and gone:
            gone -= 1
            continue
        yield _entry(found, o, mine) or _searches(found, o) or _archived(found, o)
    for entry in found.entries:
        lacks = entry["id"] not in outcomes and entry["site_id"] not in found.trimmed_sites
        yield f"entry {entry['id']} has no command ({_place(entry)})" if lacks else None
    yield from _positions(found)
    yield from (f"archive segment {name} is not what it was written as" for name in found.unreadable_segments)


def _place(entry: Row) -> str:
    return f"partition {entry['partition']}, position {entry['position']}"


def _entry(found: Evidence, o: Row, mine: list[Row]) -> str | None:
    if len(mine) != 1:
        return of(found, o, f"has {len(mine)} audit entries")
    said = {"data": o["event"], "id": o["id"], "type": o["event_type"]}
    return None if json.loads(mine[0]["body"]) == said else of(found, o, f"is audited as something else ({_place(mine[0])})")


def _searches(found: Evidence, o: Row) -> str | None:
    for column in INDEXES:
        if o["event"].get(column) is not None and (o["site_id"], o["id"]) not in found.found_by.get(column, set()):
            return of(found, o, f"is not found by its {column}")
    return None


def _archived(found: Evidence, o: Row) -> str | None:
    if found.archived is None:
        return None
    line = found.archived.get(o["id"])
    if line is None:
        return of(found, o, "is not in the archive")
    return None if line["data"] == o["event"] and line["type"] == o["event_type"] else of(found, o, "is archived as something else")


def _positions(found: Evidence) -> Iterator[str | None]:
    """Each chain holds every position once, up to its last; a removal stands for those it took."""
    held: dict[int, Counter[int]] = defaultdict(Counter)
    for entry in found.entries:
        held[entry["partition"]][entry["position"]] += 1
    for removed in found.removed:
        for position in range(removed.first_position, removed.last_position + 1):
            held[removed.partition][position] = 1
    for partition, positions in held.items():
        for position in range(1, max(positions) + 1):
            times = positions[position]
            yield None if times == 1 else f"partition {partition} has {times} entries at position {position}"
