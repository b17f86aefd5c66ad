"""Pure: whether entries of the audit log are the ones that were written where they stand."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.chain import GENESIS, link


@dataclass(frozen=True, slots=True)
class Link:
    """What stands at a place of a chain. ``before`` is the hash it is to be linked to; ``removed``: retention took it out."""

    partition: int
    position: int
    hash: bytes | None
    body: str | None
    before: bytes | None
    removed: bool

    def wrong(self) -> str | None:
        """What is not as it was written; None, if nothing is."""
        before = GENESIS if self.position == 1 else self.before
        if self.hash is None or self.body is None:
            return None if self.removed else "the entry is missing"
        if self.removed:
            return "the entry is there, and said to be removed"
        if before is None:
            return "the entry before it is missing"
        same = link(before, self.partition, self.position, self.body) == self.hash
        return None if same else "the entry is not the one that was written here"


@dataclass(frozen=True, slots=True)
class Checked:
    """``sound`` entries are as they were written, ``removed`` were taken out by retention; ``wrong`` is what is not, by place."""

    sound: int
    removed: int
    wrong: dict[tuple[int, int], str]


def check(links: Iterable[Link]) -> Checked:
    """Recompute every link. Two entries at one place are one too many, whatever they say."""
    sound, removed, wrong, seen = 0, 0, dict[tuple[int, int], str](), set[tuple[int, int]]()
    for one in links:
        at = one.partition, one.position
        fault = "there is an entry too many at this position" if at in seen else one.wrong()
        seen.add(at)
        if fault is not None:
            wrong.setdefault(at, fault)
        elif one.hash is None:
            removed += 1
        else:
            sound += 1
    return Checked(sound, removed, wrong)
