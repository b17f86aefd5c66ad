"""What a check is, and what it finds."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found; it passed if there is no problem."""

    summary: str
    problems: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """Whether a release may carry this."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold of a release."""

    name: str
    what: str
    run: Callable[[], Verdict]


def output(*command: str, cwd: Path = ROOT) -> str:
    """What a program writes.

    :raises subprocess.CalledProcessError: it failed.
    """
    done = subprocess.run(command, cwd=cwd, check=True, capture_output=True)  # noqa: S603 - fixed commands
    return done.stdout.decode(errors="replace")
