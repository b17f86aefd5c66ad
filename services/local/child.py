"""Child processes that never outlive their parent."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
STOP_SECONDS = 15.0


class DidNotStart(Exception):
    """A process ended, or did not answer in time; the text ends with the last lines of its log."""


class Child:
    """One process, its log, and the signal that stops it cleanly."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None,
        user: str | None = None, stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - commands are our own
                [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=None if environment is None else {**os.environ, **environment}, user=user, start_new_session=True,
                preexec_fn=self._die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads yet
            )

    def _die_with_parent(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, self._stop_signal)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Is it running?"""
        return self._process.poll() is None

    @property
    def ended_with(self) -> int | None:
        """Its exit status, or minus the signal that ended it; None while it runs."""
        return self._process.poll()

    def send(self, what: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(what)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def ready(self, check: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Wait until ``check`` says so.

        :raises DidNotStart: the process ended, or the time did.
        """
        try:
            async with asyncio.timeout(seconds):
                while not await check():
                    if not self.alive:
                        raise DidNotStart(f"{self.name} ended with {self._process.returncode}:\n{self.tail()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise DidNotStart(f"{self.name} did not answer within {seconds:.0f} s:\n{self.tail()}") from None

    async def stop(self) -> None:
        """Stop it cleanly; what does not stop in time is killed with all it started."""
        if self.alive:
            self._process.send_signal(self._stop_signal)
            try:
                await asyncio.to_thread(self._process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                await asyncio.to_thread(self._process.wait)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
