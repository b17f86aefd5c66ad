"""The operator's pages; the first of them is one look at the whole system."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from services.console.measured import Measured
from services.console.web import audit, quarantine, retention, sites
from services.console.web.render import page
from services.console.web.session import Operating
from services.console.web.state import Web, web

routes = APIRouter(prefix="/operations", route_class=Measured)


@routes.get("")
async def operations(person: Operating, needed: Annotated[Web, Depends(web)]) -> Response:
    """What waits where, what is wrong, and what happened last."""
    view = await needed.overview.look()
    return page("operations.html", needed.base, person=person, view=view, path=quarantine.path)


for part in (quarantine, audit, retention, sites):
    routes.include_router(part.routes)
