"""A short look from a fixed start, so that each run sees the same; a long one is ``python -m tests.fuzz``."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import targets

PAYLOADS = Path("tests/fixtures/payloads")
GOLDEN = Path("tests/contract/golden")
RUNS = 10_000


def corpus(directory: Path) -> Path:
    """What each target is to start from: bodies as they really come, and messages that were published."""
    directory.mkdir()
    bodies = [path.read_bytes() for path in sorted([*PAYLOADS.glob("*.json"), *GOLDEN.glob("*.json")])]
    for place in range(len(targets.TARGETS)):
        for number, body in enumerate(bodies):
            (directory / f"{place}-{number}").write_bytes(bytes([place]) + body)
    return directory


def test_no_parser_of_outside_bytes_fails_but_as_it_may(tmp_path: Path) -> None:
    """Every one in one process, in turns."""
    pytest.importorskip("atheris", reason="NOT TESTED: atheris is for Linux alone")
    options = [f"-runs={RUNS}", "-seed=7", "-max_len=4096", "-timeout=100", f"-artifact_prefix={tmp_path}/"]
    command = [sys.executable, "-m", "tests.fuzz", str(corpus(tmp_path / "corpus")), *options]
    fuzzed = subprocess.run(command, capture_output=True, check=False, timeout=170)  # noqa: S603 - our own module
    said = fuzzed.stderr.decode(errors="replace")
    assert fuzzed.returncode == 0, said[-4000:]
    assert f"Done {RUNS} runs" in said, said[-4000:]


def test_an_error_that_a_parser_may_not_raise_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> int:
        return int(data) // 0

    monkeypatch.setattr(targets, "_ORDERED", [(broken, (ValueError,))])
    targets.one(b"-x")
    with pytest.raises(ZeroDivisionError):
        targets.one(b"-1")
