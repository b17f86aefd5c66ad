"""What is reported of a space or a workflow: each statement reads a bounded part of one index."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.console.domain.reporting import Range, Report, Waiting, Week, every
from shared.contracts.reasons import Reason
from shared.postgres import Reading

MOST_ENTRIES = 20_000
"""How many audit entries one report looks at."""
MOST_OPEN = 10_000
"""How many open approvals."""
MOST_STEPS = 50
"""How many steps it names, those with the oldest approval first."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a site it is about: a space, a workflow, or a workflow in a space."""

    site_id: str
    space_id: str | None
    workflow_id: str | None

    @property
    def by(self) -> str:
        """The column whose index leads to it."""
        return "space_id" if self.workflow_id is None else "workflow_id"

    def arguments(self) -> tuple[str, str | None, str | None]:
        """The site, the value of that column, and that of the other one (None: any)."""
        if self.workflow_id is None:
            return self.site_id, self.space_id, None
        return self.site_id, self.workflow_id, self.space_id


def _by(statement: Callable[[str, str], str]) -> dict[str, str]:
    """A statement for each index, made of the column that it is about and the other."""
    return {"space_id": statement("space_id", "workflow_id"), "workflow_id": statement("workflow_id", "space_id")}


_OLDEST = _by(lambda column, _: f"""
SELECT occurred_at FROM audit.entry WHERE site_id = $1 AND {column} = $2 AND occurred_at >= $3 AND occurred_at < $4
ORDER BY occurred_at DESC OFFSET $5 LIMIT 1
""")

# An approval that was put back to its first step may end again: its last end counts. One that retention removed is left out.
_ENDED = _by(lambda column, other: f"""
WITH said AS (
    SELECT occurred_at, page_id, body::json -> 'data' AS data FROM audit.entry
    WHERE site_id = $1 AND {column} = $2 AND ($3::text IS NULL OR {other} = $3) AND occurred_at >= $4 AND occurred_at < $5
        AND event_type IN ('approvalflow.event.decision-recorded.v1', 'approvalflow.event.approval-cancelled.v1')
), ended AS (
    SELECT DISTINCT ON (data ->> 'approval_id') occurred_at, page_id, data ->> 'status' AS status,
        substring(data ->> 'approval_id' FROM '[0-9]+$')::integer AS run
    FROM said WHERE data ->> 'status' <> 'open' ORDER BY data ->> 'approval_id', occurred_at DESC
)
SELECT date_trunc('week', occurred_at AT TIME ZONE 'UTC')::date AS monday, count(*) FILTER (WHERE status = 'approved') AS approved,
    count(*) FILTER (WHERE status = 'rejected') AS rejected, count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
    percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY extract(epoch FROM occurred_at - submitted_at)) AS seconds
FROM ended CROSS JOIN LATERAL (
    SELECT submitted_at FROM approvals.page p WHERE p.site_id = $1 AND p.page_id = ended.page_id AND p.run = ended.run
    UNION ALL
    SELECT submitted_at FROM approvals.former_approval f WHERE f.site_id = $1 AND f.page_id = ended.page_id AND f.run = ended.run
) begun GROUP BY 1 ORDER BY 1
""")

_REFUSED = _by(lambda column, other: f"""
SELECT body::json #>> '{{data,reason}}' AS reason, count(*) AS count FROM audit.entry
WHERE site_id = $1 AND {column} = $2 AND ($3::text IS NULL OR {other} = $3) AND occurred_at >= $4 AND occurred_at < $5
    AND event_type = 'approvalflow.event.command-refused.v1'
GROUP BY 1 ORDER BY 2 DESC, 1
""")

_WAITING = _by(lambda column, other: f"""
WITH open AS (
    SELECT workflow_id, workflow_version, step, submitted_at FROM approvals.page
    WHERE site_id = $1 AND {column} = $2 AND ($3::text IS NULL OR {other} = $3) AND status = 'open' LIMIT $4
), at_step AS (
    SELECT workflow_id, workflow_version, step, min(submitted_at) AS oldest, count(*) FILTER (WHERE submitted_at >= $5) AS day,
        count(*) FILTER (WHERE submitted_at < $5 AND submitted_at >= $6) AS week, count(*) FILTER (WHERE submitted_at < $6) AS older
    FROM open GROUP BY 1, 2, 3 ORDER BY oldest LIMIT $7
)
SELECT workflow_id, workflow_version, d.body ->> 'name' AS workflow_name,
    d.body -> 'steps' -> s.step::integer ->> 'name' AS step_name, day, week, older, oldest
FROM at_step s JOIN approvals.definition d USING (workflow_id, workflow_version) WHERE d.site_id = $1 ORDER BY oldest
""")


async def report(db: Reading, scope: Scope, within: Range, now: datetime) -> Report:
    """How long approvals took that ended within the range, where open ones wait now, and what was refused."""
    arguments = scope.arguments()
    further = await db.fetchval(_OLDEST[scope.by], *arguments[:2], within.since, within.until, MOST_ENTRIES)
    covered = within.since if further is None else further + timedelta(microseconds=1)
    ended = await db.fetch(_ENDED[scope.by], *arguments, covered, within.until)
    refused = await db.fetch(_REFUSED[scope.by], *arguments, covered, within.until)
    ages = now - timedelta(days=1), now - timedelta(days=7)
    waiting = await db.fetch(_WAITING[scope.by], *arguments, MOST_OPEN, *ages, MOST_STEPS)
    weeks = [Week(row["monday"], row["approved"], row["rejected"], row["cancelled"], *row["seconds"]) for row in ended]
    return Report(covered, every(weeks, within), [Waiting(**row) for row in waiting], [(Reason(r["reason"]), r["count"]) for r in refused])
