"""Pages out of templates, and how things are written on them."""

from datetime import datetime
from typing import Any

import jinja2
from fastapi.responses import HTMLResponse

from services.console.domain import words
from shared.clock import now

_pages = jinja2.Environment(
    loader=jinja2.PackageLoader("services.console"), autoescape=True, undefined=jinja2.StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)


def page(template: str, base: str, status: int = 200, **shown: Any) -> HTMLResponse:
    """A page; ``base`` is the path that every address on it begins with."""
    text = _pages.get_template(template).render(base=base, now=now(), **{"person": None, **shown})
    return HTMLResponse(text, status, {"Cache-Control": "no-store"})


def ago(seconds: float) -> str:
    """A length of time in the one unit that says most."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def since(moment: datetime) -> str:
    """How long ago that was."""
    return f"{ago((now() - moment).total_seconds())} ago"


def kind(event_type: str) -> str:
    """An event's type as words."""
    return event_type.removeprefix("approvalflow.event.").rpartition(".v")[0].replace("-", " ")


def clock(moment: datetime) -> str:
    """The time of day, in UTC."""
    return f"{moment:%H:%M:%S}"


def moment(when: datetime) -> str:
    """Day and time, in UTC."""
    return f"{when:%d %b %Y %H:%M} UTC"


_pages.filters.update(
    ago=ago, since=since, kind=kind, clock=clock, moment=moment,
    rule=words.rule, status=words.status, happened=words.happened, who=words.who,
)
