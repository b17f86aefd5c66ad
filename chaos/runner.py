"""A real service that does what its orders say, at the start and whenever it gets SIGUSR1.

Run as ``python -m chaos.runner SERVICE``, with the file of orders in the environment.
"""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path

from chaos.orders import FILE, SESSION_MS, Follower
from shared import clock


def main(service: str) -> None:
    """Run it until it is told to stop, or meets its end."""
    follower = Follower(Path(os.environ[FILE]))
    signal.signal(signal.SIGUSR1, follower.read)
    clock.now = follower.now  # before anything is imported that takes the function by its name
    points = import_module("chaos.points")
    points.prepare(service, follower)
    if SESSION_MS in os.environ:
        points.forgotten_after(int(os.environ[SESSION_MS]))
    settings, wiring = (import_module(f"services.{service}.{name}") for name in ("settings", "wiring"))
    import_module("shared.process").run(service.replace("_", "-"), settings.Settings(), wiring.build)


if __name__ == "__main__":
    main(sys.argv[1])
