"""What was asked, what each command was expected to become, and what became of it."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import chain

from hdrh.histogram import HdrHistogram

from services.local.proof.evidence import Evidence

APPLIED = "applied"


def _histogram() -> HdrHistogram:
    return HdrHistogram(1, 60_000_000, 3)


@dataclass(slots=True)
class Tally:
    """Counts of one run; latencies are in microseconds, of decisions that were applied."""

    commands: Counter[str] = field(default_factory=Counter)
    webhooks: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    applied: dict[str, int] = field(default_factory=dict)
    """Versions that commands made, by id, as they were answered."""
    told: set[tuple[str, str, int]] = field(default_factory=set)
    """Site, page and Unix milliseconds of each event of a page that was acknowledged."""
    surprises: list[str] = field(default_factory=list)
    repeated: int = 0
    """Requests sent again under their key, because the answer was not yet there."""
    decide: HdrHistogram = field(default_factory=_histogram)

    def command(self, what: str, became: str, expected: Collection[str]) -> None:
        """One command has its answer."""
        self.commands[became] += 1
        if became not in expected:
            self.surprises.append(f"{what}: expected {' or '.join(sorted(expected))}, became {became}")

    def webhook(self, what: str, became: str, expected: str) -> None:
        """One webhook was answered."""
        self.webhooks[became] += 1
        if became != expected:
            self.surprises.append(f"{what}: expected {expected}, became {became}")

    def together(self, what: str, became: Collection[str], expected: Collection[str]) -> None:
        """Several at the same moment: who is first is open, what becomes of them all is not."""
        if sorted(became) != sorted(expected):
            self.surprises.append(f"{what}: expected {sorted(expected)} in some order, became {sorted(became)}")

    def percentile(self, percent: float) -> float:
        """Decide to outcome, in milliseconds."""
        return float(self.decide.get_value_at_percentile(percent)) / 1000

    def bears_witness(self, found: Evidence) -> None:
        """What the outside was told is evidence too."""
        found.accepted, found.applied, found.told = self.accepted, self.applied, self.told

    def total(self) -> int:
        """Requests that were answered."""
        return sum(chain(self.commands.values(), self.webhooks.values())) + self.repeated
