"""Bill of materials: what the product is made of, package by package with hashes, in CycloneDX form."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from release.audit import locked
from release.check import DIST, ROOT, Verdict, output

LOCK = ROOT / "requirements.lock"


def write(path: Path) -> dict[str, Any]:
    """Write it; the same bytes for the same lock file. It is valid by CycloneDX's own schema.

    :raises subprocess.CalledProcessError: it would not be.
    """
    output(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(LOCK), "--pyproject", str(ROOT / "pyproject.toml"),
           "--output-reproducible", "--validate", "--output-format=JSON", f"--output-file={path}")
    made: dict[str, Any] = json.loads(path.read_text())
    return made


def lacking(made: Mapping[str, Any]) -> list[str]:
    """Locked packages that are not in it, or not with a hash."""
    listed = {part["name"]: part for part in made["components"]}
    problems = []
    for name, version in locked(LOCK.read_text()).items():
        part = listed.get(name, {})
        hashed = any(reference.get("hashes") for reference in part.get("externalReferences", ()))
        if part.get("version") != str(version) or not hashed:
            problems.append(f"{name} {version} is not in it with a hash")
    return problems


def check() -> Verdict:
    """Kept in ``dist/``."""
    DIST.mkdir(exist_ok=True)
    made = write(DIST / "sbom.json")
    return Verdict(f"{len(made['components'])} components in dist/sbom.json", lacking(made))
