"""Reports for those who administer a space or own a workflow. Who decided what is not among them."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from services.console.domain import words
from services.console.domain.reporting import Range, chosen
from services.console.measured import Measured
from services.console.store import reports as store
from services.console.store import workflows
from services.console.web.render import page
from services.console.web.session import Person, Visitor
from services.console.web.state import Web, web
from services.console.web.workflows import allowed
from services.known import store as known_store
from shared.clock import now
from shared.contracts.base import ObjectId
from shared.contracts.reasons import Reason
from shared.problems import Refusal

routes = APIRouter(prefix="/reports", route_class=Measured)


@routes.get("")
async def reports(
    person: Visitor, needed: Annotated[Web, Depends(web)], space: ObjectId | Literal[""] = "", workflow: ObjectId | Literal[""] = "",
    first: Annotated[str, Query(alias="from", max_length=20)] = "", last: Annotated[str, Query(alias="to", max_length=20)] = "",
) -> Response:
    """How long approvals take, where they wait, and what is refused; without a space or a workflow, which there are to choose from."""
    reads, oldest, account = needed.of(person.site_id), needed.oldest(), person.account_id
    spaces, owned = await asyncio.gather(
        workflows.administered(reads, person.site_id, account, oldest), workflows.owned(reads, person.site_id, account, oldest),
    )
    within, found, name = chosen(first, last, now().date()), None, ""
    if space or workflow:
        name = await _permitted(person, needed, space, workflow)
        if isinstance(within, Range):
            found = await store.report(reads, store.Scope(person.site_id, space or None, workflow or None), within, now())
    wrong = within if isinstance(within, str) else None
    typed = (within.first.isoformat(), within.last.isoformat()) if isinstance(within, Range) else (first, last)
    return page(
        "reports.html", needed.base, 422 if wrong else 200, person=person, spaces=spaces, owned=owned, space=space, workflow=workflow,
        name=name or workflow, first=typed[0], last=typed[1], wrong=wrong, within=within, report=found, described=words.described,
        lasted=words.lasted, most_entries=store.MOST_ENTRIES, most_open=store.MOST_OPEN, most_steps=store.MOST_STEPS,
    )


async def _permitted(person: Person, needed: Web, space: str, workflow: str) -> str:
    """The name of the workflow, for those who administer the space, or who own the workflow or administer its space.

    :raises Refusal: they do not, or there is no such thing, which is the same to them.
    """
    looked = [known_store.Wanted(person.site_id, person.account_id, space_id=space)] if space else []
    looked += [known_store.Wanted(person.site_id, person.account_id, workflow)] if workflow else []
    found = [(wanted, await known_store.known(needed.of(person.site_id), wanted, needed.oldest())) for wanted in looked]
    reasons = [allowed(person, wanted, known) for wanted, known in found]
    if None not in reasons:
        raise Refusal(reasons[0] or Reason.NOT_PERMITTED)
    definition = found[-1][1].definition
    return definition.name if workflow and definition is not None else ""
