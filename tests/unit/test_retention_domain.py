"""What may go, and what stands for it, without a database."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retention.domain import Entry, Kind, Run, before, limit, ranges, record, without
from services.retention.publish import outgoing
from shared.chain import removed_digest
from shared.contracts.base import SYSTEM
from shared.contracts.commands import RecordRetention
from shared.contracts.envelope import parse
from shared.contracts.topics import INTAKE
from tests.builders import NOON, SITE

RUN = Run(UUID(int=7), SITE, Kind.COMMENTS, NOON - timedelta(days=90))
PLACES = st.sets(st.tuples(st.integers(0, 2), st.integers(1, 30)))


def an_entry(partition: int, position: int) -> Entry:
    return Entry(partition, position, hashlib.sha256(f"{partition}/{position}".encode()).digest())


def test_what_is_older_than_its_days_may_go() -> None:
    assert before(31, NOON) == NOON - timedelta(days=31)


@pytest.mark.parametrize(("keep_days", "days"), [(90, 90), (30, 90), (120, 120)])
def test_a_run_goes_no_further_than_the_policy_does_now(keep_days: int, days: int) -> None:
    assert limit(RUN, keep_days, NOON) == NOON - timedelta(days=days)


def test_without_a_policy_a_run_ends_where_it_is() -> None:
    assert limit(RUN, None, NOON) is None


def test_neighbours_in_a_chain_are_accounted_for_together() -> None:
    entries = [an_entry(1, 7), an_entry(0, 3), an_entry(0, 2), an_entry(0, 5), an_entry(1, 6)]
    found = ranges(entries)
    assert [(r.partition, r.first_position, r.last_position) for r in found] == [(0, 2, 3), (0, 5, 5), (1, 6, 7)]
    assert found[0].digest == removed_digest([an_entry(0, 2).hash, an_entry(0, 3).hash])
    assert [r.hash for r in found] == [an_entry(0, 3).hash, an_entry(0, 5).hash, an_entry(1, 7).hash]


@given(PLACES)
def test_ranges_hold_each_entry_once_and_no_two_touch(places: set[tuple[int, int]]) -> None:
    found = ranges(an_entry(*place) for place in places)
    covered = [(r.partition, n) for r in found for n in range(r.first_position, r.last_position + 1)]
    assert sorted(places) == covered
    assert not {(r.partition, r.last_position + 1) for r in found} & {(r.partition, r.first_position) for r in found}


def test_a_digest_covers_every_record_in_whatever_order_a_batch_came() -> None:
    once = without(without(RUN, ["b", "a"]), ["c"])
    assert once == without(without(RUN, ["a", "b"]), ["c"])
    assert once.removed == 3
    assert len({once.digest, without(RUN, ["a", "b"]).digest, without(without(RUN, ["a"]), ["b", "c"]).digest}) == 3


def test_an_empty_batch_changes_nothing() -> None:
    assert without(RUN, []) is RUN


def test_a_repeated_record_is_the_same_bytes_under_the_id_of_its_run() -> None:
    finished = replace(without(RUN, ["a"]), finished_at=NOON)
    message = outgoing(finished)
    assert message == outgoing(finished)
    envelope = parse(INTAKE, message.value, tuple(message.headers))
    assert (message.topic, message.key, envelope.id, envelope.time) == (INTAKE.name, SITE.encode(), RUN.run_id, NOON)
    assert envelope.data == record(finished) == RecordRetention(
        site_id=SITE, caller=SYSTEM, run_id=str(RUN.run_id), kind="comments", removed=1,
        digest=hashlib.sha256(b"a").hexdigest(), before=RUN.before,
    )


def test_a_run_under_way_is_not_told_of() -> None:
    with pytest.raises(ValueError, match="finished"):
        outgoing(without(RUN, ["a"]))
