"""Orders: read when told to, a trap springs at its nth time and only once, a full disk keeps half a file."""

import errno
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileOpener

from chaos import points
from chaos.orders import Follower, Orders, Trap
from services.audit_fanout.sinks import Archive
from shared.clock import now

Sent = list[tuple[int, signal.Signals]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Signals that a process sent, rather than their effect."""
    found: Sent = []
    send: Callable[[int, signal.Signals], None] = lambda pid, what: found.append((pid, what))  # noqa: E731 - one line, used once
    monkeypatch.setattr(os, "kill", send)
    return found


def test_without_a_file_nothing_is_ordered(tmp_path: Path, sent: Sent) -> None:
    follower = Follower(tmp_path / "orders")
    follower.arrived("closing")
    assert (follower.orders, sent) == (Orders(), [])
    assert abs(follower.now() - now()) < timedelta(seconds=5)


def test_a_trap_springs_the_nth_time_at_its_own_point_and_not_for_who_comes_next(tmp_path: Path, sent: Sent) -> None:
    path = tmp_path / "orders"
    follower = Follower(path)
    Orders(trap=Trap(point="closing", nth=2, signal="SIGSTOP")).save(path)
    follower.arrived("closing")
    follower.read()
    for point in ("opening", "closing", "opening"):
        follower.arrived(point)
    assert sent == []
    follower.arrived("closing")
    assert sent == [(os.getpid(), signal.SIGSTOP)]
    follower.arrived("closing")
    Follower(path).arrived("closing")
    assert len(sent) == 1


def test_a_clock_is_ahead_until_it_is_put_right(tmp_path: Path) -> None:
    path = tmp_path / "orders"
    Orders(clock=3600).save(path)
    follower = Follower(path)
    assert follower.now() - now() > timedelta(minutes=59)
    Orders().save(path)
    follower.read()
    assert follower.now() - now() < timedelta(seconds=5)


def test_on_a_full_disk_the_archive_names_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = tmp_path / "orders", tmp_path / "archive" / "kept"
    monkeypatch.setattr(LocalFileOpener, "write", LocalFileOpener.write)  # put back afterwards
    follower = Follower(path)
    points.full_disk(follower)
    Orders(disk_full=True).save(path)
    follower.read()
    archive = Archive(tmp_path.as_uri())
    with pytest.raises(OSError, match="No space left") as full:
        archive.put(str(kept), b"something")
    assert full.value.errno == errno.ENOSPC
    assert not kept.exists()
    assert [file.read_bytes() for file in kept.parent.iterdir()] == [b"some"]
    Orders().save(path)
    follower.read()
    archive.put(str(kept), b"something")
    assert kept.read_bytes() == b"something"
