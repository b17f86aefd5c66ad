"""What retention would remove and what it may not, as it says itself: its rules are for its own eyes, and counting is its own work."""

from datetime import datetime

import httpx
import structlog
from pydantic import ValidationError

from shared.contracts.base import Read

SECONDS = 10.0
"""How long it may count."""


class Rule(Read):
    """A policy, and what it lets go; ``going`` is None where counting took too long. ``held`` is by page, ``""`` the site."""

    site_id: str
    kind: str
    keep_days: int
    before: datetime
    going: int | None
    held: dict[str, int]


class Hold(Read):
    """What must stay: a page, or with ``""`` a site."""

    site_id: str
    page_id: str
    placed_by: str
    placed_at: datetime


class Plan(Read):
    """The rules and the holds; ``more`` says that there are others."""

    at: datetime
    rules: tuple[Rule, ...]
    holds: tuple[Hold, ...]
    more: bool


class Plans:
    """A client of retention; without an address there is no plan."""

    def __init__(self, client: httpx.AsyncClient, address: str | None) -> None:
        self._client = client
        self._address = address

    async def look(self, site_id: str | None) -> Plan | None:
        """The plan as it is now, of one site or of all; None, if retention does not say."""
        if self._address is None:
            return None
        asked = {} if site_id is None else {"site": site_id}
        try:
            answer = await self._client.get(f"{self._address}/v1/plan", params=asked, timeout=SECONDS)
            return Plan.model_validate_json(answer.raise_for_status().content)
        except (httpx.HTTPError, ValidationError) as error:
            structlog.get_logger().warning("not available", kind="plan", error=type(error).__name__)
            return None
