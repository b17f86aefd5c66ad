"""Advisories: no locked package has a known vulnerability.

Asked of an advisory service where one answers, else of the snapshot kept here, which knows far less and says so.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.version import Version

from release.check import ROOT, Verdict

LOCK = ROOT / "requirements-dev.lock"
SNAPSHOT = Path(__file__).with_name("advisories.json")
REQUIRE = "APPROVALFLOW_REQUIRE_ADVISORIES"
"""Set to 1 where only the service's answer is good enough."""
_PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE | re.IGNORECASE)


def locked(text: str) -> dict[str, Version]:
    """Packages that a lock file pins, by their normalised names."""
    return {re.sub(r"[-_.]+", "-", name).lower(): Version(version) for name, version in _PINNED.findall(text)}


def affected(advisories: Iterable[Mapping[str, Any]], packages: Mapping[str, Version]) -> Iterator[str]:
    """Advisories (in OSV form) that are about one of these versions."""
    for advisory in advisories:
        for part in advisory["affected"]:
            version = packages.get(part["package"]["name"])
            if version is not None and (str(version) in part.get("versions", ()) or _within(version, part.get("ranges", ()))):
                yield f"{part['package']['name']} {version}: {advisory['id']}"


def _within(version: Version, ranges: Iterable[Mapping[str, Any]]) -> bool:
    return any(_hit(version, each["events"]) for each in ranges if each["type"] == "ECOSYSTEM")


def _hit(version: Version, events: Iterable[Mapping[str, str]]) -> bool:
    """OSV's own algorithm: the last event at or before this version decides; one that is last affected still is."""
    hit = False
    for kind, at in sorted(((kind, Version(at)) for event in events for kind, at in event.items()), key=lambda pair: pair[1]):
        if kind == "introduced" and version >= at:
            hit = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            hit = False
    return hit


def asked(requirements: Path) -> list[str] | None:
    """What the service says of these; None, if it does not answer for every one of them."""
    with tempfile.TemporaryDirectory() as kept:
        command = [sys.executable, "-m", "pip_audit", "-r", str(requirements), "--no-deps", "--disable-pip", "--format=json",
                   "--progress-spinner=off", f"--cache-dir={kept}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - fixed command
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    if not dependencies or any("skip_reason" in each for each in dependencies):
        return None
    return [f"{each['name']} {each['version']}: {found['id']}" for each in dependencies for found in each["vulns"]]


def _answers() -> bool:
    """Whether there is a service: one package is asked for before all are."""
    with tempfile.TemporaryDirectory() as directory:
        one = Path(directory, "requirements.txt")
        one.write_text(f"packaging=={locked(LOCK.read_text())['packaging']}\n")
        return asked(one) is not None


def snapshot() -> Verdict:
    """What is kept here says, without asking anybody."""
    kept, packages = json.loads(SNAPSHOT.read_text()), locked(LOCK.read_text())
    known = kept["advisories"]
    return Verdict(
        f"{len(packages)} packages; only a snapshot of {kept['taken']} was asked: {len(known)} advisories, the newest of"
        f" {max(each['modified'] for each in known)[:10]}", list(affected(known, packages)),
    )


def check() -> Verdict:
    """Everything locked, asked of the service if it can be."""
    found = asked(LOCK) if _answers() else None
    if found is not None:
        return Verdict(f"{len(locked(LOCK.read_text()))} packages; the advisory service was asked", found)
    verdict = snapshot()
    if os.environ.get(REQUIRE) == "1":
        return Verdict(verdict.summary, [*verdict.problems, "no advisory service answers for every package"])
    return verdict
