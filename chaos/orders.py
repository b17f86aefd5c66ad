"""What a running service is ordered to suffer: written to a file by the harness, followed inside the service."""

import os
import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from shared import clock

FILE, SESSION_MS = "CHAOS_ORDERS", "CHAOS_SESSION_MS"
"""Names in the environment: the file, and after how long a group forgets a member that says nothing."""


class Trap(BaseModel):
    """At the nth time that a point is reached from now on, the process sends itself this signal."""

    model_config = ConfigDict(frozen=True)

    point: str
    nth: int = 1
    signal: str = "SIGKILL"


class Orders(BaseModel):
    """Everything at once; a service without orders runs as anywhere else."""

    model_config = ConfigDict(frozen=True)

    trap: Trap | None = None
    clock: float = 0.0
    """Seconds that its clock is ahead."""
    disk_full: bool = False
    """No file of the archive can be written whole."""

    def save(self, path: Path) -> None:
        """Put them where the service looks, whole or not at all."""
        part = path.with_suffix(".part")
        part.write_text(self.model_dump_json())
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What the file says; nothing if there is none."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls()


class Follower:
    """The orders in force, and how often the trap's point must still be reached."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._now = clock.now
        self.read()

    def read(self, *_: object) -> None:
        """Take the orders as they are now."""
        self.orders = Orders.load(self._path)
        self._left = self.orders.trap.nth if self.orders.trap else 0

    def waits_at(self, point: str) -> bool:
        """Is the trap at this point?"""
        return self.orders.trap is not None and self.orders.trap.point == point

    def arrived(self, point: str) -> None:
        """A point is reached. A trap springs once: whoever is started next must not meet it."""
        trap = self.orders.trap
        if trap is None or trap.point != point:
            return
        self._left -= 1
        if self._left == 0:
            self._path.unlink(missing_ok=True)
            self.orders = Orders()
            os.kill(os.getpid(), signal.Signals[trap.signal])

    def now(self) -> datetime:
        """The time, as far as this process is to know."""
        return self._now() + timedelta(seconds=self.orders.clock)
