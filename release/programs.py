"""Checks that are a program: it must end with 0, and its output is kept."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from release.check import DIST, ROOT, Verdict

_BESIDE = Path(sys.executable).parent


def programs(name: str, *commands: tuple[str, ...]) -> Callable[[], Verdict]:
    """A check that runs these one after the other, until one fails; each is a program of this environment with its arguments."""

    def run() -> Verdict:
        DIST.mkdir(exist_ok=True)
        log = DIST / f"{name}.log"
        with log.open("wb") as out:
            for command in commands:
                ended = subprocess.call([_BESIDE / command[0], *command[1:]], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)  # noqa: S603 - fixed
                if ended:
                    return Verdict(_last(log), [f"{' '.join(command)} ended with {ended}: see {log.relative_to(ROOT)}"])
        return Verdict(_last(log))

    return run


def suites(name: str, *folders: str, without: str = "") -> Callable[[], Verdict]:
    """A check that runs the tests of these folders, all of which must exist, but for one beneath them."""

    def run() -> Verdict:
        if missing := [folder for folder in folders if not (ROOT / folder).is_dir()]:
            return Verdict("not run", [f"there is no {folder}" for folder in missing])
        ignored = [f"--ignore={without}"] if without else []
        with tempfile.TemporaryDirectory(prefix="release-") as base:
            return programs(name, ("python", "-m", "pytest", f"--basetemp={base}/tests", *ignored, *folders))()

    return run


def _last(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip(" =") if lines else ""
