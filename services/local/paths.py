"""Where things are kept on this machine."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
STATE = PROJECT / ".local"
"""The default state directory; not under version control."""


@dataclass(frozen=True, slots=True)
class StatePaths:
    """The layout of a state directory."""

    root: Path

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data."""
        return self.root / "postgres"

    @property
    def broker(self) -> Path:
        """The broker's data and configuration."""
        return self.root / "broker"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.root / "logs"


def cache() -> Path:
    """What can be downloaded again: ``$XDG_CACHE_HOME/approvalflow``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "approvalflow"


def free_port() -> int:
    """A TCP port on the loopback address that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
