"""Which faults in which order: by a seed alone, so that a run can be had again."""

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from chaos.faults import Fault


def plan(seed: int, count: int, catalogue: Sequence[Fault]) -> list[Fault]:
    """So many faults; none comes a second time before every one came once, and so on."""
    return list(islice(_endless(seed, catalogue), count))


def _endless(seed: int, catalogue: Sequence[Fault]) -> Iterator[Fault]:
    random = Random(seed)  # noqa: S311 - made to be repeated
    while True:
        yield from random.sample(catalogue, len(catalogue))


def chance(seed: int, number: int) -> Random:
    """What is left to chance within one fault of the plan."""
    return Random(f"{seed}:{number}")  # noqa: S311 - made to be repeated
