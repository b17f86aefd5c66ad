"""The wheel: built twice from the commit, in unlike surroundings, it is the same bytes."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from release.check import DIST, ROOT, Verdict, output


def build(directory: Path, umask: int, **environment: str) -> Path:
    """The wheel of the last commit, built beneath this directory."""
    source = directory / "source"
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S607 - git
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(source, filter="data")
    for path in source.rglob("*"):
        os.utime(path)
    subprocess.run(  # noqa: S603 - fixed command
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory], cwd=source, check=True, capture_output=True,
        umask=umask, env=os.environ | {"SOURCE_DATE_EPOCH": output("git", "log", "-1", "--format=%ct").strip()} | environment,
    )
    return next(directory.glob("*.whl"))


def check() -> Verdict:
    """Kept in ``dist/``."""
    DIST.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as base:
        one = build(Path(base, "one"), 0o022, PYTHONHASHSEED="1", TZ="UTC")
        two = build(Path(base, "elsewhere", "two"), 0o077, PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="C")
        digests = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (one, two)]
        shutil.copy(one, DIST)
        problems = [] if digests[0] == digests[1] else [f"two builds differ: {' and '.join(digests)}"]
        return Verdict(f"dist/{one.name} sha256 {digests[0]}", problems)
