"""Sites as operators see them: what is known of each, and how much of it is old."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from services.console.measured import Measured
from services.console.store import sites as store
from services.console.web.render import page
from services.console.web.session import Operating
from services.console.web.state import Web, web
from shared.contracts.base import SiteId

routes = APIRouter(prefix="/sites", route_class=Measured)
SHOWN, MOST = 25, 10_000
"""How many sites a page shows, and how far anything of them is counted."""


@routes.get("")
async def sites(
    person: Operating, needed: Annotated[Web, Depends(web)], site: SiteId | Literal[""] = "", after: SiteId | Literal[""] = "",
) -> Response:
    """Those whose id begins so."""
    found = await store.sites(needed.across, site, after, SHOWN + 1, MOST, needed.oldest())
    more = found[SHOWN - 1].site_id if len(found) > SHOWN else None
    return page("sites.html", needed.base, person=person, site=site, after=after, found=found[:SHOWN], more=more, most=MOST)
