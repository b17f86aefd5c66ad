"""Pages and outcomes: one read and one write for a whole batch, whatever its size."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.decision.domain.batch import PageChange, Stored
from services.decision.domain.known import Of
from services.rules.state import Approval, Page
from shared.contracts.events import Status

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

# In the order of the fields of a page, and then of its approval.
_READ_PAGES = """
    SELECT p.site_id, p.page_id, p.version, p.page_version, p.space_id, p.state, p.state_at, p.edited_at, p.author_id,
        p.editor_id, p.space_at,
        p.run, p.workflow_id, p.workflow_version, p.approved_version, p.submitted_at, p.status, p.step, p.round,
        p.approvals, p.seats
      FROM unnest($1::text[], $2::text[]) AS k (site_id, page_id)
      JOIN approvals.page p USING (site_id, page_id)
"""


async def read_pages(db: Connection, wanted: Collection[Of]) -> dict[Of, Page]:
    """The pages that are known, without who has decided."""
    rows = await db.fetch(_READ_PAGES, [site for site, _ in wanted], [page for _, page in wanted])
    return {(row[0], row[1]): _page(tuple(row)) for row in rows}


def _page(row: tuple[Any, ...]) -> Page:
    return Page._make((*row[:11], None if row[11] is None else _approval(row[11:])))


def _approval(row: tuple[Any, ...]) -> Approval:
    run, workflow_id, workflow_version, page_version, submitted_at, status, step, round_, approvals, seats = row
    return Approval(
        run, workflow_id, workflow_version, page_version, submitted_at, Status(status), step, round_, approvals,
        int.from_bytes(seats, "little"),
    )


_READ_VOTERS = """
    SELECT p.site_id, p.page_id, array_agg(o.voter_id) AS decided
      FROM unnest($1::text[], $2::text[], $3::text[]) AS k (site_id, page_id, voter_id)
      JOIN approvals.page p USING (site_id, page_id)
      JOIN approvals.outcome o USING (site_id, page_id, run, round, step, voter_id)
     GROUP BY p.site_id, p.page_id
"""


async def read_voters(db: Connection, asked: Collection[tuple[str, str, str]]) -> dict[Of, frozenset[str]]:
    """Which of these people have decided on the active step of these pages."""
    rows = await db.fetch(_READ_VOTERS, *([one[i] for one in asked] for i in range(3)))
    return {(row["site_id"], row["page_id"]): frozenset(row["decided"]) for row in rows}


_READ_OUTCOMES = """
    SELECT command_id, site_id, key, reason, version, event_type, event, follow_ups, decided_at, page_id, run, round,
        step, voter_id, verdict
      FROM approvals.outcome WHERE command_id = ANY ($1::uuid[])
"""


async def read_outcomes(db: Connection, ids: Iterable[UUID]) -> dict[UUID, Stored]:
    """The outcomes that these commands already have."""
    rows = await db.fetch(_READ_OUTCOMES, list(ids))
    return {row["command_id"]: Stored(*row) for row in rows}


# A page whose version moved since it was read does not land, and with it falls all that was judged on it, refusals too.
# Those that land stay locked until the transaction ends.
_WRITE_PAGES = """
    WITH g AS MATERIALIZED (
        SELECT * FROM unnest($1::approvals.page_write[])
    ), updated AS (
        UPDATE approvals.page p SET
            version = g.version, page_version = g.page_version, space_id = g.space_id, state = g.state,
            state_at = g.state_at, edited_at = g.edited_at, author_id = g.author_id, editor_id = g.editor_id,
            space_at = g.space_at,
            run = g.run, workflow_id = g.workflow_id, workflow_version = g.workflow_version,
            approved_version = g.approved_version, status = g.status, step = g.step, round = g.round,
            approvals = g.approvals, seats = g.seats, submitted_at = g.submitted_at
          FROM g
         WHERE p.site_id = g.site_id AND p.page_id = g.page_id AND p.version = g.read AND g.version > g.read
        RETURNING p.site_id, p.page_id
    ), inserted AS (
        INSERT INTO approvals.page (
            site_id, page_id, version, page_version, space_id, state, state_at, edited_at, author_id, editor_id, space_at, run,
            workflow_id, workflow_version, approved_version, status, step, round, approvals, seats, submitted_at)
        SELECT site_id, page_id, version, page_version, space_id, state, state_at, edited_at, author_id, editor_id, space_at, run,
            workflow_id, workflow_version, approved_version, status, step, round, approvals, seats, submitted_at
          FROM g WHERE read = 0 AND version > 0
        ON CONFLICT DO NOTHING
        RETURNING site_id, page_id
    ), unchanged AS (
        SELECT p.site_id, p.page_id FROM g JOIN approvals.page p USING (site_id, page_id)
         WHERE g.version = g.read AND p.version = g.read
           FOR SHARE OF p
    )
    SELECT * FROM updated UNION ALL SELECT * FROM inserted UNION ALL SELECT * FROM unchanged
    UNION ALL SELECT site_id, page_id FROM g
     WHERE version = 0 AND NOT EXISTS (SELECT FROM approvals.page p WHERE p.site_id = g.site_id AND p.page_id = g.page_id)
"""


async def write_pages(db: Connection, changes: Sequence[PageChange]) -> set[Of]:
    """Write what a batch decided; returns the pages it landed on. The others were changed by another writer.

    Within a transaction, since an outcome that exists already must take the page with it.

    :raises asyncpg.UniqueViolationError: an outcome, a vote or a version exists already.
    """
    ordered = sorted(changes, key=lambda c: (c.read.site_id, c.read.page_id))
    landed = {tuple(row) for row in await db.fetch(_WRITE_PAGES, [_page_row(c) for c in ordered])}
    stand = [c for c in ordered if (c.read.site_id, c.read.page_id) in landed]
    await db.copy_records_to_table(
        "outcome", schema_name="approvals", columns=Stored._fields, records=[o for c in stand for o in c.outcomes],
    )
    await _write_rest(db, stand)
    return landed


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _page_row(change: PageChange) -> tuple[Any, ...]:
    p, a = change.after, change.after.approval
    head = (change.read.version, p.site_id, p.page_id, p.version, p.page_version, p.space_id, p.state, p.state_at,
            p.edited_at, p.author_id, p.editor_id, p.space_at)
    if a is None:
        return (*head, *(None,) * 10)
    return (*head, a.run, a.workflow_id, a.workflow_version, a.page_version, a.status.value, a.step, a.round,
            a.approvals, a.seats.to_bytes((a.seats.bit_length() + 7) // 8, "little"), a.submitted_at)


_KEEP_FORMER = """
    INSERT INTO approvals.former_approval (site_id, page_id, run, workflow_id, workflow_version, approved_version,
        status, step, round, submitted_at, replaced_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::int[], $6::int[], $7::text[],
        $8::smallint[], $9::int[], $10::timestamptz[], $11::timestamptz[])
"""
_KEEP_COMMENTS = """
    INSERT INTO approvals.comment (command_id, site_id, author_id, salt, body)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
    ON CONFLICT (command_id) DO NOTHING
"""


async def _write_rest(db: Connection, changes: Sequence[PageChange]) -> None:
    """Replaced approvals and people's words; most batches have neither."""
    former = [
        (c.read.site_id, c.read.page_id, a.run, a.workflow_id, a.workflow_version, a.page_version, a.status.value,
         a.step, a.round, a.submitted_at, c.outcomes[-1].decided_at)
        for c in changes for a in c.replaced
    ]
    if former:
        await db.execute(_KEEP_FORMER, *_columns(former))
    comments = [(i, c.read.site_id, author, w.salt, w.text) for c in changes for i, author, w in c.comments]
    if comments:
        await db.execute(_KEEP_COMMENTS, *_columns(comments))
