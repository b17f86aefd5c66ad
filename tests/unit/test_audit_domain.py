"""Entries and chains, without a database."""

import json
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.audit_fanout.domain import Head, checkpoint, ends_of, entry_of, extend, parsed, read
from shared import chain
from shared.contracts.envelope import Unreadable
from tests.builders import NOON, PAGE, SITE

TYPE = "approvalflow.event.decision-recorded.v1"
DATA = {"site_id": SITE, "command_id": "c", "occurred_at": NOON.isoformat(), "actor_id": "acc:alice", "page_id": PAGE,
        "space_id": "100", "workflow_id": "wf-1", "version": 4}


def record(data: Any = DATA, **headers: str | None) -> tuple[bytes, list[tuple[str, bytes]]]:
    named = {"ce_id": str(uuid4()), "ce_type": TYPE} | headers
    value = data if isinstance(data, bytes) else orjson.dumps(data)
    return value, [(name, value.encode()) for name, value in named.items() if value is not None]


def test_an_entry_is_found_by_what_its_event_names() -> None:
    entry = read(*record())
    assert (entry.site_id, entry.page_id, entry.space_id, entry.workflow_id, entry.actor_id, entry.occurred_at) == (
        SITE, PAGE, "100", "wf-1", "acc:alice", NOON)


def test_a_body_is_canonical_and_says_all_of_the_event() -> None:
    event_id = str(uuid4())
    entry = read(*record(dict(reversed(DATA.items())), ce_id=event_id))
    assert entry.body == rfc8785.dumps({"type": TYPE, "id": event_id, "data": DATA}).decode()  # type: ignore[dict-item]
    assert parsed(entry.body) == entry


def test_an_event_of_a_type_that_only_a_later_release_knows_is_audited_whole() -> None:
    entry = read(*record(DATA | {"mood": "fine"}, ce_type="approvalflow.event.delegated.v1"))
    assert json.loads(entry.body)["data"]["mood"] == "fine"


@pytest.mark.parametrize(("data", "headers"), [
    (b"", {}), (b"{", {}), (b"[]", {}), (b"[" * 10_000, {}), (b'"\\ud800"', {}), (b"\xff", {}),
    (DATA | {"site_id": "a:b"}, {}), (DATA | {"occurred_at": "soon"}, {}), (DATA | {"page_id": "\x00"}, {}),
    (DATA | {"big": 2**60}, {}),
    (DATA, {"ce_id": None}), (DATA, {"ce_id": "7"}), (DATA, {"ce_type": None}),
])
def test_what_is_no_event_is_unreadable_and_not_quoted(data: Any, headers: dict[str, str | None]) -> None:
    with pytest.raises(Unreadable) as error:
        read(*record(data, **headers))
    assert "soon" not in str(error.value)


@given(st.lists(st.text(max_size=20), min_size=2, max_size=8), st.data())
def test_a_chain_shows_any_change_removal_exchange_or_insertion(texts: list[str], data: st.DataObject) -> None:
    entries = [entry_of(uuid4(), TYPE, DATA | {"extra": text}) for text in texts]
    end = extend(Head(3), entries)[-1].hash
    changed = list(entries)
    at = data.draw(st.integers(0, len(entries) - 1))
    match data.draw(st.sampled_from(("change", "remove", "swap", "insert"))):
        case "change":
            changed[at] = entry_of(changed[at].event_id, TYPE, DATA | {"extra": texts[at] + "x"})
        case "remove":
            del changed[at]
        case "swap":
            changed[at], changed[at - 1] = changed[at - 1], changed[at]
        case _:
            changed.insert(at, entry_of(uuid4(), TYPE, DATA))
    assert extend(Head(3), changed)[-1].hash != end
    assert extend(Head(4), entries)[-1].hash != end


def test_extending_in_parts_gives_the_same_chain() -> None:
    entries = [entry_of(UUID(int=n), TYPE, DATA) for n in range(5)]
    first = extend(Head(0), entries[:2])
    rest = extend(Head(0, 2, first[-1].hash), entries[2:])
    assert first + rest == extend(Head(0), entries)


def test_a_checkpoint_gives_back_the_ends_it_was_taken_of() -> None:
    heads = [Head(0, 7, bytes([1]) * 32), Head(2, 9, bytes([2]) * 32)]
    body, digest = checkpoint(chain.GENESIS, heads, NOON)
    assert ends_of(body) == heads
    assert digest == chain.follow(chain.GENESIS, body) != chain.follow(digest, body)
    with pytest.raises(ValueError, match="not a checkpoint"):
        ends_of("{}")
