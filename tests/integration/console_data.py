"""What the other services would have stored, for the console to read."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import rfc8785

from shared.chain import GENESIS, link
from shared.contracts.workflow import Definition
from tests.builders import NOON, a_definition

ONE, TWO = "site-one", "site-two"


class Data:
    """Writes rows as their owners do; a caller names only what its test is about."""

    def __init__(self, db: asyncpg.Connection) -> None:
        self._db = db

    async def _insert(self, table: str, row: dict[str, Any]) -> None:
        names = ", ".join(row)
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *row.values())

    async def space(self, read_at: datetime, admins: list[str], space_id: str = "10", site: str = ONE) -> None:
        """A space and who administers it."""
        await self._insert("directory.space", {"site_id": site, "space_id": space_id, "admins": admins, "admins_read_at": read_at})

    async def group(self, read_at: datetime, members: list[str], group_id: str = "g1", site: str = ONE) -> None:
        """A group and its members."""
        await self._insert("directory.member_group", {"site_id": site, "group_id": group_id, "read_at": read_at})
        for account in members:
            await self._insert("directory.group_member", {"site_id": site, "group_id": group_id, "account_id": account})

    async def workflow(self, definition: Definition | None = None, site: str = ONE, **changes: Any) -> None:
        """A workflow at its first version."""
        row = {
            "site_id": site, "workflow_id": "wf-1", "version": 1, "workflow_version": 1, "space_id": "10", "owners": ["olga"],
            **changes,
        }
        await self._insert("approvals.workflow", row)
        definition = definition or a_definition()
        key = {name: row[name] for name in ("site_id", "workflow_id", "workflow_version")}
        await self._insert("approvals.definition", {**key, "body": definition.model_dump_json()})
        for n, step in enumerate(definition.steps):
            for approver in step.approvers:
                named = {"step": n, "kind": approver.kind, "approver_id": approver.id}
                await self._insert("approvals.step_approver", {**key, **named})

    async def assign(self, scope: str, scope_id: str, workflow_id: str = "wf-1", site: str = ONE) -> None:
        """Put a workflow to use."""
        await self._insert(
            "approvals.assignment", {"site_id": site, "scope": scope, "scope_id": scope_id, "workflow_id": workflow_id}
        )

    async def page(self, page_id: str = "900", site: str = ONE, **changes: Any) -> None:
        """A page at version 7, with an open approval on its first step."""
        await self._insert("approvals.page", {
            "site_id": site, "page_id": page_id, "version": 4, "page_version": 7, "space_id": "10", "run": 1,
            "workflow_id": "wf-1", "workflow_version": 1, "approved_version": 7, "status": "open", "step": 0, "round": 1,
            "approvals": 0, "seats": b"", "submitted_at": NOON, **changes,
        })

    async def former(self, page_id: str = "900", run: int = 1, site: str = ONE, **changes: Any) -> None:
        """An approval that a later one replaced."""
        await self._insert("approvals.former_approval", {
            "site_id": site, "page_id": page_id, "run": run, "workflow_id": "wf-1", "workflow_version": 1,
            "approved_version": 6, "status": "rejected", "step": 0, "round": 1, "submitted_at": NOON - timedelta(days=2),
            "replaced_at": NOON, **changes,
        })

    async def outcome(self, page_id: str = "900", voter: str | None = None, site: str = ONE, **changes: Any) -> UUID:
        """The outcome of a command about a page; with a voter, it was their approval."""
        vote = {"run": 1, "round": 1, "step": 0, "voter_id": voter, "verdict": "approve"} if voter else {}
        row = {
            "command_id": uuid4(), "site_id": site, "key": f"{site}:{page_id}", "version": 2, "event_type": "x",
            "event": json.dumps({"approval_id": f"{page_id}-1", "workflow_id": "wf-1", "status": "open"}),
            "page_id": page_id, "decided_at": NOON, **vote, **changes,
        }
        await self._insert("approvals.outcome", row)
        command_id: UUID = row["command_id"]
        return command_id

    async def accepted(self, site: str = ONE) -> UUID:
        """A command that was accepted and has no outcome yet."""
        command_id = uuid4()
        await self._insert("command.idempotency_key", {
            "site_id": site, "account_id": "ann", "key": str(command_id), "body_digest": bytes(32), "command_id": command_id,
        })
        return command_id

    async def entries(self, *rows: dict[str, Any], partition: int = 0) -> None:
        """A chain of audit entries, a minute apart."""
        await self._db.execute("SELECT audit.ensure_month($1)", NOON)
        previous = GENESIS
        for position, changes in enumerate(rows, 1):
            row = {"site_id": ONE, "event_type": "approvalflow.event.decision-recorded.v1", **changes}
            data = {name: value for name, value in row.items() if name != "event_type"}
            event_id = uuid4()
            body = rfc8785.dumps({"data": data, "id": str(event_id), "type": row["event_type"]}).decode()
            previous = link(previous, partition, position, body)
            row.pop("reason", None)
            await self._insert("audit.entry", {
                **row, "partition": partition, "position": position, "event_id": event_id,
                "occurred_at": NOON + timedelta(minutes=position), "body": body, "hash": previous,
            })
        await self._insert("audit.head", {"partition": partition, "position": len(rows), "hash": previous})

    async def quarantined(self, key: str, table: str = "approvals", **changes: Any) -> None:
        """A record that could not be handled."""
        await self._insert(f"{table}.quarantine", {
            "topic": "t", "partition": 0, "log_offset": 1, "key": key, "value": b"people's words",
            "headers": json.dumps([["ce_id", "words"]]), "reason": "malformed", "detail": "missing at page_id", "held_at": NOON,
            **changes,
        })
