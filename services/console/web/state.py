"""What every page needs; made once, in the wiring."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

import asyncpg
from authlib.integrations.starlette_client import StarletteOAuth2App
from fastapi import Request

from services.console.cursors import Cursors
from services.console.overview import Overview
from services.console.plans import Plans
from services.console.settings import Settings
from services.console.signals import Signals
from services.console.web.asking import Commands
from shared.callers import Callers
from shared.clock import now
from shared.postgres import Reading, across_sites, for_site


@dataclass(frozen=True, slots=True)
class Web:
    """Where pages read, whom they believe, and where they send what people ask for. ``provider`` is None where nobody can sign in."""

    settings: Settings
    pool: asyncpg.Pool
    callers: Callers
    commands: Commands
    cursors: Cursors
    provider: StarletteOAuth2App | None
    overview: Overview
    signals: Signals
    plans: Plans

    @property
    def origin(self) -> str:
        """Scheme, host and port of this service, as browsers name it."""
        parts = urlsplit(self.settings.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def base(self) -> str:
        """The path that every address here begins with; '' at the root."""
        return urlsplit(self.settings.base_url).path.rstrip("/")

    def of(self, site_id: str) -> Reading:
        """Reads of one site."""
        return for_site(self.pool, site_id)

    @property
    def across(self) -> Reading:
        """Reads of all sites, for operators."""
        return across_sites(self.pool)

    def oldest(self) -> datetime:
        """When facts must have been read to allow anything."""
        return now() - self.settings.facts_max_age

    def page_url(self, site_id: str, page_id: str) -> str:
        """Where a page is read in Confluence; '' where that is not known."""
        return self.settings.page_url.format(site_id=quote(site_id), page_id=quote(page_id))


async def web(request: Request) -> Web:
    """What the pages of this application need."""
    found: Web = request.app.state.web
    return found
