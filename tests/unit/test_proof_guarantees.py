"""The checker of G1 to G6: a sound history passes, and each kind of breach is found, and said of which command."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.local.proof.evidence import Evidence, Removed, Row
from services.local.proof.guarantees import judge
from tests.evidence import KEY, NOON, PAGE, SITE, Past, id_of, past, sound


def broken(found: Evidence) -> dict[str, str]:
    return {f.name: f.breach for f in judge(found) if f.breach is not None}


def outcome(found: Evidence, name: str) -> Row:
    return next(o for o in found.outcomes if o["id"] == id_of(name))


def entry(found: Evidence, name: str) -> Row:
    return next(e for e in found.entries if e["id"] == id_of(name))


def test_a_sound_history_passes_and_much_of_it_is_checked() -> None:
    findings = judge(sound())
    assert {f.name: f.breach for f in findings} == dict.fromkeys(("G1", "G2", "G3", "G4", "G5", "G6"))
    assert all(f.checked > 0 for f in findings)


def no_outcome(found: Evidence) -> None:
    found.outcomes.remove(outcome(found, "late"))


def two_outcomes(found: Evidence) -> None:
    found.outcomes.append(outcome(found, "late"))


def told_in_two_ways(found: Evidence) -> None:
    found.events.append(replace(found.events[-1], value=b"{}"))


def never_told(found: Evidence) -> None:
    found.events.pop()


def never_asked(found: Evidence) -> None:
    found.intake = [m for m in found.intake if m.id != id_of("late")]


def accepted_and_gone(found: Evidence) -> None:
    found.accepted.add(id_of("promised"))


def answered_otherwise(found: Evidence) -> None:
    found.applied[id_of("bob")] = 7


def answered_as_applied_and_refused(found: Evidence) -> None:
    found.applied[id_of("eve")] = 3


def vote_lost_from_the_page(found: Evidence) -> None:
    found.pages[0]["approvals"] = 1


def vote_counted_twice(found: Evidence) -> None:
    found.pages[0]["approvals"] = 3


def seat_taken_by_nobody(found: Evidence) -> None:
    found.pages[0]["seats"] = b"\x07"


def page_says_otherwise(found: Evidence) -> None:
    found.pages[0]["status"] = "open"


def page_not_stored(found: Evidence) -> None:
    found.pages.clear()


def vote_of_a_stranger(found: Evidence) -> None:
    found.members[SITE, "g"] = frozenset({"cid"})
    push = next(i for i, m in enumerate(found.intake) if m.id == id_of("group"))
    found.intake[push] = replace(found.intake[push], data={"site_id": SITE, "group_id": "g", "members": ["cid"]})


def vote_on_another_step(found: Evidence) -> None:
    outcome(found, "bob")["step"] = 1


def vote_as_somebody_else(found: Evidence) -> None:
    outcome(found, "ann")["voter_id"] = "bob"


def approved_too_soon(found: Evidence) -> None:
    outcome(found, "ann")["event"] |= {"step_completed": True, "status": "approved"}


def vote_from_an_unpaid_site(found: Evidence) -> None:
    for m in found.intake:
        if m.id == id_of("ann") and m.data is not None:
            m.data["caller"] = m.data["caller"] | {"licence": "inactive"}


def own_work_approved(found: Evidence) -> None:
    for m in found.intake:
        if m.id == id_of("created") and m.data is not None:
            m.data["editor_id"] = "ann"


def good_vote_refused(found: Evidence) -> None:
    late = outcome(found, "late")
    late["version"], late["reason"] = 3, "not_an_approver"
    late["event"] |= {"version": 3, "reason": "not_an_approver"}


def version_gap(found: Evidence) -> None:
    outcome(found, "bob")["version"] = 5


def version_used_twice(found: Evidence) -> None:
    outcome(found, "bob")["version"] = 3


def record_ahead_of_its_outcomes(found: Evidence) -> None:
    found.pages[0]["version"] = 5


def entry_missing(found: Evidence) -> None:
    found.entries.remove(entry(found, "bob"))


def entry_twice(found: Evidence) -> None:
    found.entries.append(entry(found, "bob") | {"position": len(found.entries) + 1})


def entry_without_command(found: Evidence) -> None:
    found.entries.append(entry(found, "bob") | {"id": id_of("nobody"), "position": len(found.entries) + 1})


def entry_changed(found: Evidence) -> None:
    entry(found, "bob")["body"] = entry(found, "bob")["body"].replace("approved", "rejected")


def position_skipped(found: Evidence) -> None:
    found.entries[-1]["position"] += 1


def not_found_by_actor(found: Evidence) -> None:
    found.found_by["actor_id"].discard((SITE, id_of("bob")))


def not_found_by_time(found: Evidence) -> None:
    found.found_by["occurred_at"].discard((SITE, id_of("late")))


def not_archived(found: Evidence) -> None:
    assert found.archived is not None
    del found.archived[id_of("bob")]


def archived_as_something_else(found: Evidence) -> None:
    assert found.archived is not None
    found.archived[id_of("bob")] = found.archived[id_of("bob")] | {"type": "approvalflow.event.other.v1"}


def segment_spoiled(found: Evidence) -> None:
    found.unreadable_segments.append("00000000000000000000-00000000000000000009.ndjson.zst")


def unknown_reason(found: Evidence) -> None:
    outcome(found, "eve")["reason"] = outcome(found, "eve")["event"]["reason"] = "because"


def refusal_that_voted(found: Evidence) -> None:
    outcome(found, "eve")["voter_id"] = "eve"


def refusal_that_moved_the_version(found: Evidence) -> None:
    outcome(found, "late")["version"] = 5


def refusal_that_left_words(found: Evidence) -> None:
    found.comments.add(id_of("eve"))


def refusal_with_follow_ups(found: Evidence) -> None:
    outcome(found, "eve")["follow_ups"] = "[]"


def refusal_that_changed_a_group(found: Evidence) -> None:
    found.members[SITE, "g"] = frozenset({"bob", "cid", "eve"})


def refusal_that_left_a_definition(found: Evidence) -> None:
    found.definitions[SITE, "w", 2] = found.definitions[SITE, "w", 1]


def fact_dropped(found: Evidence) -> None:
    lost = replace(found.intake[-2], id=id_of("lost"), offset=99)
    assert lost.data is not None
    found.intake.append(replace(lost, data=lost.data | {"page_version": 2}))


def trash_dropped(found: Evidence) -> None:
    lost = replace(found.intake[-2], id=id_of("lost"), offset=99)
    assert lost.data is not None
    at = (NOON + timedelta(hours=1)).isoformat()
    found.intake.append(replace(lost, data=lost.data | {"change": "trashed", "happened_at": at}))


def space_removal_dropped(found: Evidence) -> None:
    data = {"site_id": SITE, "space_id": "1", "change": "removed", "happened_at": NOON.isoformat()}
    found.intake.append(replace(found.intake[-1], id=id_of("lost"), offset=99, type="approvalflow.fact.space-changed.v1", data=data))


def unreadable_dropped(found: Evidence) -> None:
    found.quarantined.clear()
    found.intake[-1] = replace(found.intake[-1], data=None, type="", id="")


def acknowledged_and_never_logged(found: Evidence) -> None:
    found.told.add((SITE, PAGE, 1))


def follow_up_dropped(found: Evidence) -> None:
    outcome(found, "workflow")["follow_ups"] = '[["approvalflow.command.cancel-approvals.v1", "{}"]]'


BREACHES: list[tuple[str, Callable[[Evidence], None]]] = [
    *(("G1", plant) for plant in (no_outcome, two_outcomes, told_in_two_ways, never_told, never_asked, accepted_and_gone,
                                 answered_otherwise, answered_as_applied_and_refused)),
    *(("G2", plant) for plant in (
        vote_lost_from_the_page, vote_counted_twice, seat_taken_by_nobody, page_says_otherwise, page_not_stored,
        vote_of_a_stranger, vote_on_another_step, vote_as_somebody_else, approved_too_soon, vote_from_an_unpaid_site,
        own_work_approved, good_vote_refused)),
    *(("G3", plant) for plant in (version_gap, version_used_twice, record_ahead_of_its_outcomes)),
    *(("G4", plant) for plant in (
        entry_missing, entry_twice, entry_without_command, entry_changed, position_skipped, not_found_by_actor,
        not_found_by_time, not_archived, archived_as_something_else, segment_spoiled)),
    *(("G5", plant) for plant in (
        unknown_reason, refusal_that_voted, refusal_that_moved_the_version, refusal_that_left_words, refusal_with_follow_ups,
        refusal_that_changed_a_group, refusal_that_left_a_definition)),
    *(("G6", plant) for plant in (
        no_outcome, fact_dropped, trash_dropped, space_removal_dropped, unreadable_dropped, follow_up_dropped,
        acknowledged_and_never_logged)),
]


@pytest.mark.parametrize(("name", "plant"), BREACHES, ids=[f"{name}-{plant.__name__}" for name, plant in BREACHES])
def test_each_kind_of_breach_is_found(name: str, plant: Callable[[Evidence], None]) -> None:
    found = sound()
    plant(found)
    assert name in broken(found)


def test_a_breach_names_the_command_the_page_and_its_history() -> None:
    found = sound()
    vote_on_another_step(found)
    said = broken(found)["G2"]
    assert id_of("bob") in said
    assert KEY in said
    assert f"2 approval-submitted by {id_of('submit')}" in said


def test_a_fact_told_again_or_late_is_not_dropped() -> None:
    made: Past = past()
    late = (NOON - timedelta(hours=1)).isoformat()
    for name, change in (("old", {"change": "updated", "page_version": 1}), ("moved", {"change": "moved", "space_id": "1"})):
        made.record(name, "fact.page-changed", {"page_id": PAGE, "happened_at": late, **change})
    assert broken(made.found) == {}


def test_what_retention_took_is_accounted_for() -> None:
    found = sound()
    taken = entry(found, "created")
    found.entries.remove(taken)
    found.removed = [Removed(0, taken["position"], taken["position"])]
    assert broken(found) == {}
    found.entries.remove(entry(found, "submit"))
    assert "G4" in broken(found)


def test_clocks_known_to_be_wrong_excuse_an_order_of_times_and_nothing_else() -> None:
    found = sound()
    outcome(found, "group")["decided_at"] += timedelta(minutes=30)
    assert "G2" in broken(found)
    found.clock_error = timedelta(hours=1)
    assert broken(found) == {}
    vote_of_a_stranger(found)
    assert "G2" in broken(found)
