"""What may go, of each kind: counted and removed by the same conditions.

In each, ``t`` is the record and ``h`` a hold on its site. Removing is bounded by the caller's transaction.
"""

from dataclasses import dataclass
from datetime import datetime

from services.retention.domain import Kind, Planned, Run, without
from services.retention.store.rules import Connection


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the records of one kind are: their key and age, which hold keeps one, and what may go at all."""

    table: str
    key: str
    age: str
    order: str
    held: str = "h.page_id IN ('', t.page_id)"
    free: str = "true"
    gone: str = "command_id::text"
    """How a record that went is named."""

    def due(self) -> str:
        """Old enough, whether held or not."""
        return f"t.site_id = $1 AND t.{self.age} < $2 AND {self.free}"

    def remove(self, wanted: str | None = None) -> str:
        """One batch of what is due, or otherwise wanted of a site, and not held."""
        those = f"t.site_id = $1 AND {wanted}" if wanted else self.due()
        return f"""
            DELETE FROM {self.table} WHERE ({self.key}) IN (
                SELECT {self.key} FROM {self.table} t
                 WHERE {those} AND NOT EXISTS (SELECT FROM retention.hold h WHERE h.site_id = t.site_id AND {self.held})
                 {self.order} LIMIT $3
            ) RETURNING {self.gone}
        """

    def count(self) -> str:
        """What is due, by the hold that keeps it."""
        return f"""
            SELECT held_by, count(*) AS count FROM (
                SELECT (SELECT min(h.page_id) FROM retention.hold h WHERE h.site_id = t.site_id AND {self.held}) AS held_by
                  FROM {self.table} t WHERE {self.due()}
            ) AS due GROUP BY held_by ORDER BY held_by
        """


SOURCES = {
    Kind.APPROVALS: _Source(
        "approvals.former_approval", "site_id, page_id, run", "replaced_at", "", gone="page_id || '-' || run",
    ),
    # The page is known from the outcome. Where that has gone, any hold on the site may be about this comment.
    Kind.COMMENTS: _Source(
        "approvals.comment", "command_id", "written_at", "ORDER BY written_at",
        held="h.page_id IN ('', coalesce((SELECT o.page_id FROM approvals.outcome o"
             " WHERE o.command_id = t.command_id), h.page_id))",
    ),
    # Votes on the active round say who may still decide, and that nobody does twice. A command whose key is still known
    # may be asked for again, and must then find what became of it.
    Kind.OUTCOMES: _Source(
        "approvals.outcome", "command_id", "decided_at", "",
        free="NOT EXISTS (SELECT FROM approvals.page p WHERE t.voter_id IS NOT NULL AND p.site_id = t.site_id"
             " AND p.page_id = t.page_id AND p.run = t.run AND p.round = t.round AND p.status = 'open')"
             " AND NOT EXISTS (SELECT FROM command.idempotency_key k WHERE k.command_id = t.command_id)",
    ),
    # Only what a chain's end covers: what is left must still lead there.
    Kind.AUDIT: _Source(
        "audit.entry", "partition, position, occurred_at", "occurred_at", "ORDER BY occurred_at, event_id",
        free="EXISTS (SELECT FROM audit.head e WHERE e.partition = t.partition AND e.position >= t.position)",
        gone="partition, position, hash, event_id, event_type",
    ),
    Kind.IDEMPOTENCY_KEYS: _Source(
        "command.idempotency_key", "site_id, account_id, key", "accepted_at", "ORDER BY accepted_at", held="h.page_id = ''",
    ),
}
_COUNT = {kind: source.count() for kind, source in SOURCES.items()}


async def plan(db: Connection, site_id: str, kind: Kind, before: datetime) -> Planned:
    """How much older than ``before`` would go, and how much is held."""
    counts = {row["held_by"]: row["count"] for row in await db.fetch(_COUNT[kind], site_id, before)}
    return Planned(site_id, kind, before, counts.pop(None, 0), counts)


_REMOVE: dict[Kind, str] = {kind: source.remove() for kind, source in SOURCES.items() if kind is not Kind.AUDIT}


async def remove(db: Connection, run: Run, before: datetime, rows: int) -> Run:
    """Remove at most ``rows`` of what is due, of any kind but audit entries; the run with them gone."""
    gone = await db.fetch(_REMOVE[run.kind], run.site_id, before, rows)
    return without(run, [row[0] for row in gone])


_ERASE = SOURCES[Kind.COMMENTS].remove("t.author_id = $2")


async def erase(db: Connection, run: Run, account_id: str, rows: int) -> Run:
    """Remove at most ``rows`` of a person's comments that no hold keeps, salt and all; the run with them gone."""
    gone = await db.fetch(_ERASE, run.site_id, account_id, rows)
    return without(run, [row[0] for row in gone])
