"""Everything runs where nothing leads out, and nothing tries to get out."""

import json
import os
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from services.local import broker, maven
from tests.contract.sources import ROOT

_NAMES = 'mount --bind "$1/resolv.conf" /etc/resolv.conf && mount --bind "$1/hosts" /etc/hosts && shift && exec "$@"'
"""Names are looked up outside too, unless they are this machine's: who asks for one would otherwise ask loopback, unseen."""


def enclosed(names: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a network namespace of its own, where names are looked up by these files."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("APPROVALFLOW_", "OTEL_"))}
    apart = ("unshare", "--net", "--mount", "sh", "-c", _NAMES, "sh", str(names))
    return subprocess.run([*apart, *command], capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=300)  # noqa: S603 - ours


@pytest.mark.timeout(400)
def test_the_whole_system_works_without_a_way_out_and_looks_for_none(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    (tmp_path / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n::1 localhost\n")
    tried = enclosed(tmp_path, "true")
    if tried.returncode:
        pytest.skip(f"NOT PROVED HERE: no network namespace can be made: {tried.stderr}")
    if not maven.missing():
        maven.fetched("kafka", broker._VERSION, "copy-dependencies")
    done = enclosed(tmp_path, sys.executable, "-m", "tests.e2e.enclosed", str(tmp_path / "state"))
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert (found["status"], found["attempts"]) == ("approved", 0)
    assert all(less < more for less, more in pairwise([0, *found["then"]])), "a real attempt was not counted"
