"""Programs that Maven fetches: once, into the user's cache."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "approvalflow"


def missing() -> list[str]:
    """Those of Java and Maven that are not here."""
    return [program for program in ("java", "mvn") if not shutil.which(program)]


def fetched(program: str, version: str, goal: str, prepare: Callable[[Path], None] = lambda _: None) -> Path:
    """Where the files are that the program's ``pom.xml`` lists, as the dependency plugin's ``goal`` lays them out, then prepared.

    :raises subprocess.CalledProcessError: Maven did not get them.
    """
    directory = _CACHE / f"{program}-{version}"
    complete = directory / ".complete"
    if complete.exists():
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():  # no other process has fetched it meanwhile
            pom = str(resources.files("services.local") / program / "pom.xml")
            subprocess.run(  # noqa: S603 - our own command
                ["mvn", "-q", "-B", "-f", pom, f"dependency:{goal}", f"-DoutputDirectory={directory}"],  # noqa: S607 - as found on PATH
                check=True, stdout=subprocess.DEVNULL,
            )
            prepare(directory)
            complete.touch()
    return directory
