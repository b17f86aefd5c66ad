"""What would go and what must stay, told to the console over the port that only our own services reach."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import asyncpg
from fastapi import APIRouter, Query

from services.retention import domain
from services.retention.domain import Kind, Policy
from services.retention.settings import Settings
from services.retention.store import records, rules, runs
from shared.clock import now
from shared.contracts.base import SiteId

POLICIES, HOLDS = 50, 200
"""How many are told of at once."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy and what it lets go now: ``going`` is None where counting took too long. ``held`` is by page, ``""`` the site."""

    site_id: str
    kind: Kind
    keep_days: int
    before: datetime
    going: int | None
    held: dict[str, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """A hold: of a page, or with ``""`` of a site. Why it was placed is not told."""

    site_id: str
    page_id: str
    placed_by: str
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules and the holds, of all sites or one; ``more`` says that there are others."""

    at: datetime
    rules: list[Rule]
    holds: list[Kept]
    more: bool


class Plans:
    """Counts, one caller at a time and in bounded time: whoever looks must not hold up what decides."""

    def __init__(self, pool: asyncpg.Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._one = asyncio.Lock()

    def router(self) -> APIRouter:
        """The one route."""
        routes = APIRouter(include_in_schema=False)

        @routes.get("/v1/plan")
        async def plan(site: Annotated[SiteId | None, Query()] = None) -> Plan:
            async with self._one:
                return await self.plan(site)

        return routes

    async def plan(self, site: str | None) -> Plan:
        """What would go now, and what is held."""
        at, ends = now(), time.monotonic() + self._settings.statement_seconds
        async with self._pool.acquire() as db:
            policies = [one for one in await rules.policies(db) if site in (None, one.site_id)]
            holds = [one for one in await rules.holds(db) if site in (None, one.site_id)]
            told = [await self._rule(db, policy, at, ends - time.monotonic()) for policy in policies[:POLICIES]]
        kept = [Kept(one.site_id, one.page_id, one.placed_by, one.placed_at) for one in holds[:HOLDS]]
        return Plan(at, told, kept, len(policies) > POLICIES or len(holds) > HOLDS)

    async def _rule(self, db: rules.Connection, policy: Policy, at: datetime, seconds: float) -> Rule:
        before, going, held = domain.before(policy.keep_days, at), None, dict[str, int]()
        if seconds > 0:
            try:
                async with db.transaction(readonly=True):
                    await runs.bound(db, seconds, self._settings.lock_seconds)
                    planned = await records.plan(db, policy.site_id, policy.kind, before)
                going, held = planned.going, planned.held
            except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError):
                pass
        return Rule(policy.site_id, policy.kind, policy.keep_days, before, going, held)
