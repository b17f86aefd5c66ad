"""A small sound history, as the log, the tables and the archive would hold it; a test spoils one thing of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from services.local.proof.evidence import INDEXES, Evidence, Message, Row

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SITE, PAGE = "s", "p"
KEY = f"{SITE}:{PAGE}"
CALLER = {"environment": "production", "licence": "active", "app": False}
DEFINITION = {"name": "Policies", "owners": [], "on_edit": "reset", "four_eyes": True, "steps": [
    {"name": "Review", "rule": {"kind": "quorum", "n": 2},
     "approvers": [{"kind": "account", "id": "ann"}, {"kind": "group", "id": "g"}]},
]}


def id_of(name: str) -> str:
    """A command's id, by the name a test gives it."""
    return str(uuid5(UUID(int=0), name))


class Past:
    """Adds one command after another, each with all it leaves behind."""

    def __init__(self) -> None:
        self.found = Evidence(archived={}, found_by={column: set() for column in INDEXES})
        self._moments = 0

    def record(self, name: str, kind: str, data: Row, key: str = KEY) -> Message:
        """A record on the log."""
        offset = len(self.found.intake)
        text = json.dumps({"site_id": SITE, **data})
        made = Message("approvalflow.intake.v1", 0, offset, key, f"approvalflow.{kind}.v1", id_of(name), text.encode(), json.loads(text))
        self.found.intake.append(made)
        return made

    def outcome(
        self, name: str, event_type: str, event: Row, version: int = 0, reason: str | None = None, key: str = KEY, **vote: Any,
    ) -> None:
        """What became of it, told and audited."""
        self._moments += 1
        at = NOON + timedelta(seconds=self._moments)
        full = {"site_id": SITE, "command_id": id_of(name), "occurred_at": at.isoformat(), "version": version, **event}
        kind = f"approvalflow.event.{event_type}.v1"
        row = {
            "id": id_of(name), "site_id": SITE, "key": key, "reason": reason, "version": version, "event_type": kind,
            "event": full, "raw": json.dumps(full), "follow_ups": None, "page_id": full.get("page_id"), "run": None,
            "round": None, "step": None, "voter_id": None, "verdict": None, "decided_at": at, **vote,
        }
        self.found.outcomes.append(row)
        self._told(row, full)

    def _told(self, row: Row, event: Row) -> None:
        found, position = self.found, len(self.found.entries) + 1
        found.events.append(Message("approvalflow.events.v1", 0, position - 1, row["key"], row["event_type"], row["id"],
                                    row["raw"].encode(), event))
        body = {"data": event, "id": row["id"], "type": row["event_type"]}
        found.entries.append({"id": row["id"], "partition": 0, "position": position, "site_id": SITE, "body": json.dumps(body)})
        assert found.archived is not None
        found.archived[row["id"]] = body
        for column in INDEXES:
            if event.get(column) is not None:
                found.found_by[column].add((SITE, row["id"]))

    def fact(self, name: str, version: int, page_version: int, editor: str = "carol") -> None:
        """The page was edited."""
        at = (NOON + timedelta(minutes=page_version)).isoformat()
        self.record(name, "fact.page-changed", {"page_id": PAGE, "change": "updated", "page_version": page_version,
                                                "space_id": "1", "editor_id": editor, "happened_at": at})
        self.outcome(name, "page-recorded", {"page_id": PAGE, "space_id": "1", "change": "updated"}, version)

    def vote(self, name: str, account: str, version: int, **changes: Any) -> None:
        """Somebody approved."""
        about = {"page_id": PAGE, "approval_id": f"{PAGE}-1", "page_version": 1, "verdict": "approve"}
        self.record(name, "command.record-decision", about | {"caller": CALLER | {"account_id": account}})
        event = about | {"actor_id": account, "workflow_id": "w", "space_id": "1", "status": "open", "step": 0, "round": 1,
                         "step_completed": False, **changes}
        vote: dict[str, Any] = {"run": 1, "round": event["round"], "step": event["step"], "voter_id": account, "verdict": "approve"}
        self.outcome(name, "decision-recorded", event, version, **vote)

    def refuse(self, name: str, account: str, version: int, reason: str) -> None:
        """Somebody's approval was refused."""
        about = {"page_id": PAGE, "approval_id": f"{PAGE}-1", "page_version": 1, "verdict": "approve"}
        self.record(name, "command.record-decision", about | {"caller": CALLER | {"account_id": account}})
        event = {"page_id": PAGE, "actor_id": account, "command": "RecordDecision", "reason": reason}
        self.outcome(name, "command-refused", event, version, reason)


def past() -> Past:
    """A group, a workflow, and a page approved by two people while others were refused."""
    made = Past()
    made.record("group", "command.record-group-members", {"group_id": "g", "members": ["bob", "cid"]}, "s:g")
    made.outcome("group", "facts-recorded", {"kind": "group_members", "subject_id": "g"}, key="s:g")
    made.record("workflow", "command.create-workflow", {"workflow_id": "w", "definition": DEFINITION}, "s:w")
    made.outcome("workflow", "workflow-event", {"workflow_id": "w", "change": "created", "workflow_version": 1}, 1, key="s:w")
    made.fact("created", 1, 1)
    made.record("submit", "command.submit-approval", {"page_id": PAGE, "page_version": 1, "space_id": "1"})
    made.outcome("submit", "approval-submitted", {
        "page_id": PAGE, "space_id": "1", "workflow_id": "w", "workflow_version": 1, "page_version": 1, "approval_id": f"{PAGE}-1"}, 2)
    made.vote("ann", "ann", 3)
    made.refuse("twice", "ann", 3, "already_decided")
    made.refuse("eve", "eve", 3, "not_an_approver")
    made.vote("bob", "bob", 4, status="approved", step_completed=True)
    made.refuse("late", "cid", 4, "approval_closed")
    made.record("created", "fact.page-changed", {"page_id": PAGE, "change": "updated", "page_version": 1, "space_id": "1",
                                                 "happened_at": (NOON + timedelta(minutes=1)).isoformat()})
    junk = made.record("junk", "command.record-decision", {}, "s:other")
    made.found.quarantined.add(junk.place)
    made.found.members[SITE, "g"] = frozenset({"bob", "cid"})
    made.found.definitions[SITE, "w", 1] = DEFINITION
    made.found.workflows = [{"site_id": SITE, "workflow_id": "w", "version": 1, "workflow_version": 1}]
    made.found.pages = [{"site_id": SITE, "page_id": PAGE, "version": 4, "run": 1, "status": "approved", "step": 0, "round": 1,
                         "approved_version": 1, "approvals": 2, "seats": b"\x03"}]
    made.found.applied = {o["id"]: o["version"] for o in made.found.outcomes if o["reason"] is None}
    made.found.told = {(SITE, PAGE, int((NOON + timedelta(minutes=1)).timestamp()) * 1000)}
    made.found.accepted = {m.id for m in made.found.intake if m.is_command and m.place != junk.place}
    return made


def sound() -> Evidence:
    """What that past left."""
    return past().found
