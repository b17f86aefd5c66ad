"""The commit: what is checked is what was committed."""

from release.check import Verdict, output


def check() -> Verdict:
    """Nothing differs from the commit."""
    changed = output("git", "status", "--porcelain").splitlines()
    return Verdict(output("git", "log", "-1", "--format=%H %cI").strip(), [f"not committed: {line[3:]}" for line in changed])
