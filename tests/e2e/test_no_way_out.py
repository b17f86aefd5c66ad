"""Everything runs where nothing leads out, and nothing tries to get out."""

import json
import os
import shutil
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from services.local import broker, maven
from tests.contract.sources import ROOT

_ENCLOSE = ("unshare", "--net", "--mount")
_NAMES = 'mount --bind "$1/resolv.conf" /etc/resolv.conf && mount --bind "$1/hosts" /etc/hosts && shift && exec "$@"'
"""Names are looked up outside too, unless they are this machine's: who asks for one would otherwise ask loopback, unseen."""


def _may_enclose() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*_ENCLOSE, "true"], check=False, capture_output=True).returncode == 0  # noqa: S603


@pytest.mark.timeout(400)
def test_the_whole_system_works_without_a_way_out_and_looks_for_none(tmp_path: Path) -> None:
    if not _may_enclose():
        pytest.skip("NOT PROVED HERE: only root can make a network namespace")
    if not maven.missing():
        maven.fetched("kafka", broker._VERSION, "copy-dependencies")
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    (tmp_path / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n::1 localhost\n")
    command = [sys.executable, "-m", "tests.e2e.enclosed", str(tmp_path / "state")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("APPROVALFLOW_", "OTEL_"))}
    done = subprocess.run(  # noqa: S603 - our own command
        [*_ENCLOSE, "sh", "-c", _NAMES, "sh", tmp_path, *command], capture_output=True, text=True, check=False, cwd=ROOT,
        env=environment, timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert (found["status"], found["attempts"]) == ("approved", 0)
    assert all(less < more for less, more in pairwise([0, *found["then"]])), "a real attempt was not counted"
