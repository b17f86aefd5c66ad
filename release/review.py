"""The security review: it is held every quarter, and the next one is not overdue."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise

from release.check import ROOT, Verdict

PAGE = ROOT / "docs" / "quarterly-review.md"
MOST_DAYS = 92
"""From one review's due day to the next."""
_ROW = re.compile(r"^\| (\d{4}-\d{2}-\d{2}) \| ([^|]*) \|", re.MULTILINE)


def problems(text: str, today: date) -> Iterator[str]:
    """Reviews that were not held in time, and gaps between those that are planned."""
    rows = [(date.fromisoformat(due), held.strip()) for due, held in _ROW.findall(text)]
    if not rows or rows[-1][1]:
        yield "no next review is planned"
    for (earlier, _), (later, _) in pairwise(rows):
        if (later - earlier).days > MOST_DAYS:
            yield f"more than a quarter lies between {earlier} and {later}"
    yield from (f"the review due on {due} was not held" for due, held in rows if not held and due < today)


def check() -> Verdict:
    """As the page says today."""
    text = PAGE.read_text()
    planned = [due for due, held in _ROW.findall(text) if not held.strip()]
    return Verdict(f"next due on {planned[0]}" if planned else "none planned", list(problems(text, datetime.now(UTC).date())))
