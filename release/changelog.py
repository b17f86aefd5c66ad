"""The changelog: it tells of the version that is to be released."""

import re
import tomllib

from release.check import ROOT, Verdict


def entry(text: str, version: str) -> str | None:
    """What it says of a version under a heading with its date, without which it says nothing."""
    found = re.search(rf"^## {re.escape(version)} - \d{{4}}-\d{{2}}-\d{{2}}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return (found[1].strip() or None) if found else None


def check() -> Verdict:
    """The version is the one that ``pyproject.toml`` names."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    said = entry((ROOT / "CHANGELOG.md").read_text(), version)
    return Verdict(version, [] if said else [f"CHANGELOG.md has nothing of {version} under a heading with its date"])
