"""Retention as operators see it: what would go, what must stay, and what has gone."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from services.console.measured import Measured
from services.console.store import retention as store
from services.console.web.render import page
from services.console.web.session import Operating
from services.console.web.state import Web, web
from shared.contracts.base import SiteId

routes = APIRouter(prefix="/retention", route_class=Measured)
RUNS = 30
"""How many runs a page shows."""


@routes.get("")
async def retention(person: Operating, needed: Annotated[Web, Depends(web)], site: SiteId | Literal[""] = "") -> Response:
    """The plan as retention makes it now, and the last runs."""
    plan, runs = await asyncio.gather(needed.plans.look(site or None), store.runs(needed.across, site or None, RUNS))
    return page("retention.html", needed.base, person=person, site=site, plan=plan, runs=runs)
