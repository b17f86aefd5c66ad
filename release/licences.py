"""Licences: every dependency has one that a product may be shipped and built with."""

import json
import re
import sys
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from release.audit import locked
from release.bom import LOCK
from release.check import Verdict, output

ALLOWED = Path(__file__).with_name("licences.toml")


def installed() -> list[dict[str, str]]:
    """Name, version and licence of each package of this environment."""
    listed: list[dict[str, str]] = json.loads(output(sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json", "--with-system"))
    return listed


def refused(packages: Iterable[Mapping[str, str]], shipped: Container[str], rules: Mapping[str, Any]) -> Iterator[str]:
    """Packages with a licence, or a part of one, that is not allowed; what is not shipped may have those of tools too."""
    for package in packages:
        parts = {part.strip() for part in re.split(r" AND | OR |[;()]", package["License"])} - {""}
        name = re.sub(r"[-_.]+", "-", package["Name"]).lower()
        allowed = set(rules["allowed"]) | (set() if name in shipped else set(rules["tools"]))
        if name not in rules["known"] and not parts <= allowed:
            yield f"{package['Name']} {package['Version']}: {package['License']}"


def check() -> Verdict:
    """All that is installed, which is all that is locked."""
    packages = installed()
    problems = list(refused(packages, locked(LOCK.read_text()), tomllib.loads(ALLOWED.read_text())))
    return Verdict(f"{len(packages)} packages", problems)
