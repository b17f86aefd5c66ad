"""Open approvals by the million: copies of one that ``decision`` itself made, whatever columns its row has."""

from collections.abc import Iterable, Iterator
from itertools import islice

import asyncpg

from bench.load import TEMPLATE, Place

_PAGES = """
    INSERT INTO {table} SELECT r.* FROM unnest($1::text[], $2::text[]) AS k (site, page), approvals.page t,
        LATERAL jsonb_populate_record(t, jsonb_build_object('site_id', k.site, 'page_id', k.page, 'space_id', coalesce($4, t.space_id))) r
     WHERE t.site_id = $3 AND t.page_id = $3
"""
_OUTCOMES = """
    INSERT INTO approvals.outcome SELECT r.* FROM unnest($1::text[], $2::text[]) AS k (site, page), approvals.outcome t,
        LATERAL jsonb_populate_record(t, jsonb_build_object(
            'command_id', gen_random_uuid(), 'site_id', k.site, 'page_id', k.page, 'key', k.site || ':' || k.page)) r
     WHERE t.site_id = $3 AND t.page_id = $3
"""
_SITE_TABLES = ("directory.space", "approvals.workflow", "approvals.definition", "approvals.step_approver")
_SITES = """
    INSERT INTO {table} SELECT r.* FROM unnest($1::text[]) AS k (site), {table} t,
        LATERAL jsonb_populate_record(t, jsonb_build_object('site_id', k.site)) r
     WHERE t.site_id = $2
"""
_CHUNK = 100_000


async def sites(db: asyncpg.Connection, names: Iterable[str]) -> None:
    """Sites with the template's space and workflow."""
    wanted = list(names)
    for table in _SITE_TABLES:
        await db.execute(_SITES.format(table=table), wanted, TEMPLATE)


async def approvals(db: asyncpg.Connection, places: Iterable[Place], space: str | None = None) -> None:
    """An open approval at each place, with the outcome of its submission; the sites must be there."""
    for sites_, pages_ in _chunks(places):
        await db.execute(_PAGES.format(table="approvals.page"), sites_, pages_, TEMPLATE, space)
        await db.execute(_OUTCOMES, sites_, pages_, TEMPLATE)


async def pages(db: asyncpg.Connection, places: Iterable[Place], table: str) -> None:
    """Only the pages, with an open approval each, in a table like the engine's."""
    for sites_, pages_ in _chunks(places):
        await db.execute(_PAGES.format(table=table), sites_, pages_, TEMPLATE, None)


def _chunks(places: Iterable[Place]) -> Iterator[tuple[list[str], list[str]]]:
    remaining = iter(places)
    while chunk := list(islice(remaining, _CHUNK)):
        yield [place.site for place in chunk], [place.page for place in chunk]


async def settle(db: asyncpg.Connection) -> None:
    """Have what was seeded on disk and counted, so that what is measured next does not pay for it."""
    await db.execute("VACUUM (ANALYZE) approvals.page, approvals.outcome")
    await db.execute("CHECKPOINT")


async def approved(db: asyncpg.Connection, site: str) -> int:
    """How many pages of a site are approved."""
    return int(await db.fetchval("SELECT count(*) FROM approvals.page WHERE site_id = $1 AND status = 'approved'", site))
