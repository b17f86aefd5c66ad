"""Child processes that cannot outlive this one.

Each gets its own process group, so that Ctrl-C reaches only the parent, which stops them in order, and asks the kernel
to signal it when the parent dies. That signal follows the *thread* that started the child: start them from one that
lives as long as they should, such as the main thread.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL = 0.02
Popen = subprocess.Popen[bytes]


class ChildFailed(RuntimeError):
    """A child ended, or was not ready in time; the text holds the end of its log."""


def spawn(
    argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None,
    uid: int | None = None, gid: int | None = None, on_parent_death: signal.Signals = signal.SIGKILL,
) -> Popen:
    """Start a child whose output is appended to ``log``; given a ``uid`` and ``gid``, it runs as those."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the programs are this project's own
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=cwd,
            user=uid, group=gid, extra_groups=None if gid is None else [], start_new_session=True,
            preexec_fn=_bind_to_parent(on_parent_death),  # noqa: PLW1509 - one system call, no lock is taken
        )


def _bind_to_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl, parent, number = ctypes.CDLL(None).prctl, os.getpid(), int(death_signal)

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return bind


def stop(child: Popen, ask: signal.Signals, seconds: float) -> None:
    """Ask a child to stop, and end its whole group if it has not after ``seconds``."""
    if child.poll() is None:
        child.send_signal(ask)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def until_ready(child: Popen, log: Path, name: str, ready: Callable[[], bool], seconds: float) -> None:
    """Wait for ``ready``.

    :raises ChildFailed: the child ended first, or ``seconds`` passed.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if child.poll() is not None:
            raise ChildFailed(f"{name} ended with {child.returncode}\n{tail(log)}")
        if time.monotonic() > deadline:
            raise ChildFailed(f"{name} was not ready within {seconds:.0f} s\n{tail(log)}")
        time.sleep(_POLL)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, or nothing where there is none."""
    if not log.exists():
        return ""
    with log.open(errors="replace") as file:
        return "".join(deque(file, lines))
