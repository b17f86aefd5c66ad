"""The audit log as operators search it, across sites, and the proof that what is shown is what was written."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response
from pydantic import AfterValidator

from services.console.answers import Entry
from services.console.domain.links import Checked, check
from services.console.domain.listing import Index, Order
from services.console.domain.reading import Reading
from services.console.measured import Measured
from services.console.store import audit as store
from services.console.store import chains
from services.console.web.render import page
from services.console.web.session import Operating, Person
from services.console.web.state import Web, web
from shared.contracts.base import AccountId, ObjectId, SiteId
from shared.contracts.reasons import Reason
from shared.problems import Refusal

routes = APIRouter(prefix="/audit", route_class=Measured)
Needed = Annotated[Web, Depends(web)]
SHOWN, CHECKED = 50, 1000
"""How many entries a page shows, and how many places of a chain it checks."""


def _utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond what can be compared") from None


Moment = Annotated[datetime, AfterValidator(_utc)] | Literal[""]


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: entries of a site, by one of the indexes. Without a site nothing is."""

    site: SiteId | Literal[""] = ""
    index: Index = Index.TIME
    id: ObjectId | AccountId | Literal[""] = ""
    since: Annotated[Moment, Query(alias="from")] = ""
    until: Annotated[Moment, Query(alias="to")] = ""
    order: Order = Order.NEWEST
    cursor: Annotated[str | None, Query(max_length=2000)] = None
    verify: bool = False

    def asked(self) -> store.Asked:
        """The same, as the store takes it.

        :raises Refusal: an index other than time, and nothing to look up there.
        """
        named = None if self.index is Index.TIME else self.id
        if named == "":
            raise Refusal(Reason.MALFORMED)
        return store.Asked(self.site, self.index, named, self.order, self.since or None, self.until or None)

    def query(self, **changes: str) -> str:
        """The address's part that says so."""
        said = {
            "site": self.site, "index": self.index.value, "id": self.id, "from": _written(self.since), "to": _written(self.until),
            "order": self.order.value, "cursor": self.cursor or "", **changes,
        }
        return urlencode({name: value for name, value in said.items() if value})


def _written(moment: datetime | Literal[""]) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}" if moment else ""


@routes.get("")
async def audit(person: Operating, needed: Needed, search: Annotated[Search, Depends()]) -> Response:
    """The entries looked for, which chains there are, and what the last look at the whole log found."""
    found, more, checked = await _search(person, needed, search) if search.site else ([], None, None)
    return page(
        "audit.html", needed.base, person=person, search=search, found=found, more=more, checked=checked, written=_written,
        heads=await chains.heads(needed.across), last=verified(needed.signals.readings().get("audit-fanout")), Index=Index, Order=Order,
    )


async def _search(person: Person, needed: Web, search: Search) -> tuple[list[Entry], str | None, Checked | None]:
    asked = search.asked()
    # Reading what is another's is itself worth knowing of.
    structlog.get_logger().warning(
        "audit log read by an operator", site_id=asked.site_id, actor_id=person.account_id, kind=asked.index.value,
    )
    question = ("operations", asked.site_id, asked.index, asked.id or "", asked.order, str(asked.since), str(asked.until))
    found = await store.entries(needed.of(asked.site_id), asked, needed.cursors.place(question, search.cursor), SHOWN + 1)
    last = found[SHOWN - 1] if len(found) > SHOWN else None
    more = None if last is None else needed.cursors.after(question, (last.occurred_at, str(last.event_id)))
    checked = check(await chains.links(needed.across, [(one.partition, one.position) for one in found[:SHOWN]])) if search.verify else None
    return found[:SHOWN], more, checked


@dataclass(frozen=True, slots=True)
class Verified:
    """What the last look at the whole log found: ``age`` in seconds; ``entries`` is None until there was one."""

    age: float
    entries: float | None
    broken: bool


def verified(reading: Reading | None) -> Verified | None:
    """What audit-fanout shows of it; None, if it shows nothing."""
    age = None if reading is None else reading.present("approvalflow_audit_verified_age_seconds")
    if reading is None or age is None:
        return None
    return Verified(age, reading.present("approvalflow_audit_verified"), bool(reading.present("approvalflow_audit_chain_broken")))


Position = Annotated[int, Query(ge=1, lt=1 << 62)]


@routes.get("/chains/{partition}")
async def chain(
    partition: Annotated[int, Path(ge=0, lt=1 << 31)], person: Operating, needed: Needed, first: Position | None = None,
    last: Position | None = None,
) -> Response:
    """A part of a chain, its links recomputed now; without a first or a last position, the end of it."""
    heads = await chains.heads(needed.across)
    if partition not in heads:
        raise Refusal(Reason.NOT_FOUND)
    end = min(last or heads[partition], heads[partition])
    begin = max(first or 1, end - CHECKED + 1)
    checked = check(await chains.links(needed.across, [(partition, position) for position in range(begin, end + 1)]))
    return page(
        "audit_chain.html", needed.base, person=person, partition=partition, head=heads[partition], first=begin, last=end,
        checked=checked, most=CHECKED,
    )
