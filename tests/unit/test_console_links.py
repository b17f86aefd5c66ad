"""Whether entries of the audit log are the ones written: each kind of tampering is found where it is."""

from dataclasses import replace

import pytest

from services.console.domain.links import Link, check
from shared.chain import GENESIS, link


def chain(count: int = 4, partition: int = 3) -> list[Link]:
    """The places of a chain as they are looked up, each with what it is linked to."""
    before, places = GENESIS, []
    for position in range(1, count + 1):
        body = f'{{"n":{position}}}'
        after = link(before, partition, position, body)
        places.append(Link(partition, position, after, body, None if position == 1 else before, removed=False))
        before = after
    return places


def test_a_chain_as_written_is_sound() -> None:
    checked = check(chain())
    assert (checked.sound, checked.removed, checked.wrong) == (4, 0, {})


@pytest.mark.parametrize(("place", "changes", "said"), [
    (1, {"body": '{"n":9}'}, "the entry is not the one that was written here"),
    (1, {"hash": bytes(32)}, "the entry is not the one that was written here"),
    (1, {"before": bytes(32)}, "the entry is not the one that was written here"),
    (0, {"body": '{"n":9}'}, "the entry is not the one that was written here"),
    (1, {"hash": None, "body": None}, "the entry is missing"),
    (1, {"before": None}, "the entry before it is missing"),
    (1, {"removed": True}, "the entry is there, and said to be removed"),
])
def test_what_is_not_as_written_is_named(place: int, changes: dict[str, object], said: str) -> None:
    links = chain()
    links[place] = replace(links[place], **changes)  # type: ignore[arg-type]  # one field of any type
    assert check(links).wrong == {(3, place + 1): said}
    assert check(links).sound == 3


def test_what_retention_took_out_is_no_fault() -> None:
    first, second, third, fourth = chain()
    gone = [replace(one, hash=None, body=None, removed=True) for one in (first, second)]
    checked = check([*gone, third, fourth])
    assert (checked.sound, checked.removed, checked.wrong) == (2, 2, {})


def test_two_entries_at_one_place_are_one_too_many() -> None:
    links = chain()
    assert check([*links, links[-1]]).wrong == {(3, 4): "there is an entry too many at this position"}
