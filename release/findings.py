"""Security findings: none that is still open is past the time that its severity gives."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from release.check import Verdict

REGISTER = Path(__file__).with_name("findings.toml")
WEEKS = {"critical": 4, "high": 6, "medium": 8, "low": 25}
"""From the day that a finding is confirmed until its fix is released: the Marketplace's timelines."""


def due(finding: Mapping[str, Any]) -> date:
    """The last day on which its fix may be released.

    :raises KeyError: it has no severity of these.
    """
    confirmed: date = finding["confirmed"]
    return confirmed + timedelta(weeks=WEEKS[finding["severity"]])


def overdue(findings: Iterable[Mapping[str, Any]], today: date) -> Iterator[str]:
    """Findings without a release that mends them, past their day."""
    for finding in findings:
        if "fixed_in" not in finding and due(finding) < today:
            yield f"{finding['id']} ({finding['severity']}) was due on {due(finding)}"


def check() -> Verdict:
    """As the register says today."""
    known = tomllib.loads(REGISTER.read_text()).get("finding", [])
    still = sorted(due(finding) for finding in known if "fixed_in" not in finding)
    summary = f"{len(known)} findings, {len(still)} open" + (f", the next due on {still[0]}" if still else "")
    return Verdict(summary, list(overdue(known, datetime.now(UTC).date())))
