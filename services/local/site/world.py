"""Sites, and who and what is on them. The same seed makes the same world."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from shared.clock import now

Kind = Literal["forge", "connect", "data-center"]
ROLES = ("admin", "author", "lena", "milo", "nora", "otto", "release", "stranger")
_TICK = timedelta(milliseconds=1)


@dataclass(slots=True)
class Page:
    """A page as its site has it."""

    id: str
    space: str
    author: str
    version: int = 1


@dataclass(slots=True)
class Site:
    """One tenant. ``people`` are account ids by role; ``lena``, ``milo`` and ``nora`` (by group) review."""

    id: str
    kind: Kind
    space: str
    other_space: str
    group: str
    people: dict[str, str]
    prefix: str
    workflow: str = ""
    pages: int = 0
    last: datetime = field(default_factory=now)

    def tick(self) -> datetime:
        """The site's own clock: milliseconds, and never twice the same."""
        self.last = max(now(), self.last + _TICK)
        return self.last

    def page(self, author: str = "author", space: str | None = None) -> Page:
        """A new page; the site has yet to tell of it."""
        self.pages += 1
        return Page(f"{self.prefix}{self.pages:06}", space or self.space, self.people[author])


def world(seed: int, connect_site: str, data_center_site: str, run: int = 0) -> list[Site]:
    """Two Forge sites, a Connect one and a Data Center one; ``run`` keeps repeats apart on a system that remembers."""
    random = Random(f"{seed}:{run}")  # noqa: S311 - made to be repeated
    kinds: list[tuple[str, Kind]] = [
        (f"cloud-{random.getrandbits(40):010x}", "forge"), (f"cloud-{random.getrandbits(40):010x}", "forge"),
        (connect_site, "connect"), (data_center_site, "data-center"),
    ]
    return [_site(random, name, kind) for name, kind in kinds]


def _site(random: Random, name: str, kind: Kind) -> Site:
    def number() -> str:
        return str(random.randrange(10**9, 10**10))

    account = "{:032x}" if kind == "data-center" else "712020:{:032x}"
    people = {role: account.format(random.getrandbits(128)) for role in ROLES}
    return Site(name, kind, number(), number(), f"reviewers-{number()}", people, number())
