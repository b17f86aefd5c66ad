"""Secrets: no line that was ever committed, and no message of a commit, holds one."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from detect_secrets.core.scan import scan_diff
from detect_secrets.settings import default_settings, get_settings

from release.check import Verdict, output

EXCUSES = Path(__file__).with_name("excuses.toml")
_MESSAGES = "commit messages"
_ADDED = ">"
"""What a line that was added begins with: a plus sign would also begin the line that names the file."""
_HASH = re.compile(r"\s*--hash=sha256:[0-9a-f]{64}( \\)?")
"""How a lock file pins a package; the scan would read little else."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks like a secret; ``sha1`` stands for it."""

    path: str
    kind: str
    sha1: str


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why what looks like a secret is none: one value in one file, or all of a kind beneath a directory."""

    kind: str
    reason: str
    path: str = ""
    sha1: str = ""
    under: str = ""

    def covers(self, found: Finding) -> bool:
        """Whether it is about this."""
        if found.kind != self.kind:
            return False
        return found.path.startswith(self.under) if self.under else (found.path, found.sha1) == (self.path, self.sha1)


def excuses() -> list[Excuse]:
    """All that are given."""
    return [Excuse(**given) for given in tomllib.loads(EXCUSES.read_text())["excuse"]]


def history() -> str:
    """Every line that any commit, merges too, added to a file, once for each file, and every message, as one diff."""
    log = ("git", "-c", "core.quotePath=off", "log", "--all")
    patches = output(*log, "--patch", "--unified=0", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--format=",
                     "--diff-merges=separate", f"--output-indicator-new={_ADDED}", "--", ".", f":!release/{EXCUSES.name}")
    added: dict[str, dict[str, None]] = {_MESSAGES: dict.fromkeys(output(*log, "--format=%B").split("\n"))}
    path = ""
    for line in patches.split("\n"):
        if line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/").rstrip("\t")
        elif line.startswith(_ADDED):
            added.setdefault(path, {})[line[1:]] = None
    return "".join(_as_diff(name, lines) for name, lines in added.items())


def _as_diff(name: str, lines: Iterable[str]) -> str:
    kept = [f"+{line}\n" for line in lines if not _HASH.fullmatch(line)]
    return f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1,{len(kept)} @@\n" + "".join(kept)


def scan(diff: str) -> set[Finding]:
    """What looks like a secret among the lines that a diff adds."""
    with default_settings():
        settings = get_settings()
        settings.disable_plugins("IPPublicDetector")  # an address is no secret, and numbered sections look like one
        settings.disable_filters("detect_secrets.filters.allowlist.is_line_allowlisted")  # an excuse needs a reason
        return {Finding(secret.filename, secret.type, secret.secret_hash) for secret in scan_diff(diff)}


def unexcused(found: Iterable[Finding], given: list[Excuse]) -> Iterator[Finding]:
    """What no excuse covers."""
    return (finding for finding in sorted(found, key=str) if not any(excuse.covers(finding) for excuse in given))


def check() -> Verdict:
    """The whole history, and no excuse that excuses nothing."""
    if output("git", "rev-parse", "--is-shallow-repository").strip() == "true":
        return Verdict("not run", ["the history is cut short: git fetch --unshallow"])
    found, given = scan(history()), excuses()
    problems = [f"{finding.kind} in {finding.path}, sha1 {finding.sha1}" for finding in unexcused(found, given)]
    problems += [f"excuses nothing: {excuse}" for excuse in given if not any(map(excuse.covers, found))]
    commits = output("git", "rev-list", "--all", "--count").strip()
    return Verdict(f"{commits} commits, {len(found)} findings excused by {len(given)} reasons", problems)
