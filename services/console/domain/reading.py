"""Pure: what a service told of itself over a while."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Labels = Mapping[str, str]
Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
"""Values by name and labels."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the one process that answers at a service's address told first and last, and the seconds between."""

    seconds: float
    first: Samples
    last: Samples

    def rise(self, name: str, which: Callable[[Labels], bool] = lambda _: True) -> float:
        """By how much counters of this name rose."""
        return sum(
            value - self.first.get(sample, 0.0) for sample, value in self.last.items() if sample[0] == name and which(dict(sample[1]))
        )

    def rate(self, name: str, which: Callable[[Labels], bool] = lambda _: True) -> float:
        """The same, a second."""
        return self.rise(name, which) / self.seconds

    def present(self, name: str) -> float | None:
        """What a gauge without labels shows; None, if it shows nothing."""
        return self.last.get((name, ()))
