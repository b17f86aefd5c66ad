"""The steps of the Dockerfile, taken in a bare Debian of the same release instead of by Docker.

What Debian's Python stands in for is the base image, which no registry is asked for. Nothing that a step runs reaches the network:
packages come from wheels that were fetched before, and are held against the same hashes.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.deployed import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
_DEBIAN = (
    "mmdebstrap", "--quiet", "--variant=essential", "--include=passwd,python3.11-venv,python-is-python3",
    "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/man/*",
    "bookworm",
)
_OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "PIP_NO_COMPILE": "1"}
_ALLOWED = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}


@dataclass
class Stage:
    """A root directory, and what the instructions so far say of whatever runs in it."""

    root: Path
    base: str
    user: str = "0:0"
    directory: str = "/"
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def run(self, arguments: Sequence[str], more: Mapping[str, str]) -> None:
        """Run to its end, without a network.

        :raises CalledProcessError: it failed.
        """
        said = {**self.environment, **more}
        chroot = ["unshare", "--net", "chroot", f"--userspec={self.user}", str(self.root), "/usr/bin/env", "-C", self.directory]
        subprocess.run([*chroot, *arguments], env=said, check=True, capture_output=True, text=True)  # noqa: S603 - our own Dockerfile


def instructions() -> list[tuple[str, str]]:
    """Every instruction and what it is told, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A directory that no disk is waited for; gone afterwards.

    :raises CalledProcessError: nothing may be mounted here.
    """
    directory = Path(tempfile.mkdtemp(prefix="approvalflow-image-"))
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "tmpfs", directory], check=True, capture_output=True)  # noqa: S603, S607 - as above
        try:
            yield directory
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True)  # noqa: S603, S607 - as above
    finally:
        directory.rmdir()


def bare(directory: Path) -> Path:
    """A Debian with Python and nothing else.

    :raises CalledProcessError: no mirror answers.
    """
    subprocess.run([*_DEBIAN, directory], check=True, capture_output=True)  # noqa: S603 - as above
    return directory


def wheels(directory: Path) -> Path:
    """All that the lock file names, from where this machine has its packages.

    :raises CalledProcessError: one is not to be had as a wheel.
    """
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    subprocess.run([*fetch, "-r", ROOT / "requirements.lock", "-d", directory], check=True, capture_output=True)  # noqa: S603 - as above
    return directory


class Build:
    """Takes one instruction after the other; the last stage is the image."""

    def __init__(self, debian: Path, found: Path, directory: Path) -> None:
        self._debian, self._wheels, self._directory = debian, found, directory
        self.stages: dict[str, Stage] = {}

    def image(self) -> Stage:
        """The last stage, with every instruction taken."""
        for name, rest in instructions():
            getattr(self, f"_{name.lower()}")(rest)
        return self._stage

    @property
    def _stage(self) -> Stage:
        return next(reversed(self.stages.values()))

    def _from(self, rest: str) -> None:
        base, _, name = rest.partition(" AS ")
        root = self._directory / (name or "image")
        _linked(self._debian, root)
        self.stages[name] = Stage(root, base)

    def _run(self, rest: str) -> None:
        _linked(self._wheels, self._stage.root / "wheels")
        self._stage.run(["/bin/sh", "-c", rest], _OFFLINE)
        shutil.rmtree(self._stage.root / "wheels")

    def _copy(self, rest: str) -> None:
        first, *others = shlex.split(rest)
        if first.startswith("--from="):
            [source, target] = others
            return _linked(self.stages[first.removeprefix("--from=")].root / source.lstrip("/"), self._inside(target))
        [source, target] = first, *others
        assert source in _ALLOWED, f"{source} is not in the build's context"
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, self._inside(target), ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, self._inside(target))
        return None

    def _inside(self, path: str) -> Path:
        return self._stage.root / os.path.join(self._stage.directory, path).lstrip("/")  # noqa: PTH118 - an absolute path replaces it

    def _workdir(self, rest: str) -> None:
        self._stage.directory = rest
        (self._stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _env(self, rest: str) -> None:
        for name, value in (each.split("=", 1) for each in shlex.split(rest)):
            self._stage.environment[name] = value.replace("$PATH", self._stage.environment["PATH"])

    def _user(self, rest: str) -> None:
        self._stage.user = rest

    def _expose(self, _: str) -> None:
        """Says something to people only."""

    def _entrypoint(self, rest: str) -> None:
        self._stage.entrypoint = [part.strip('"') for part in rest.strip("[]").split(", ")]

    def _cmd(self, rest: str) -> None:
        self._stage.command = [part.strip('"') for part in rest.strip("[]").split(", ")]


def _linked(source: Path, target: Path) -> None:
    """A copy that shares its files' contents: steps replace files, and write into none that is there."""
    subprocess.run(["cp", "-al", source, target], check=True)  # noqa: S603, S607 - within one directory
