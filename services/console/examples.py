"""One answer of each kind, for the OpenAPI document."""

from typing import Any

_AT = "2026-11-02T09:30:00Z"
_COMMAND = "0199f3a0-7c1e-7b7a-9f57-3d0a52f6a1c4"
_WORKFLOW = "wf-0199f39e5b1c7d30a1f06e2c84d7b9aa"
_CURSOR = "gAAAAABpBwF4c2VhbGVk"
_GROUP = {"kind": "group", "id": "reviewers"}
_ACCOUNT = {"kind": "account", "id": "5d0c1a7e"}
_QUORUM = {"kind": "quorum", "n": 2}
_RUN: dict[str, Any] = {
    "approval_id": "98765-1", "page_version": 4, "status": "open", "workflow_id": _WORKFLOW, "workflow_version": 3,
    "step": 0, "round": 1, "submitted_at": _AT,
}

APPROVAL: dict[str, Any] = _RUN | {
    "page_id": "98765", "space_id": "98305", "version": 8,
    "steps": [
        {"step": 0, "name": "Review", "state": "active", "approvers": [_GROUP], "rule": _QUORUM,
         "decisions": [{"account_id": "5d0c1a7e", "verdict": "approve", "decided_at": _AT}]},
        {"step": 1, "name": "Release", "state": "pending", "approvers": [_ACCOUNT], "rule": {"kind": "all"}, "decisions": []},
    ],
    "missing": {"approvals": 1, "approvers": [_GROUP]},
}
PAGE: dict[str, Any] = {
    "page_id": "98765", "space_id": "98305", "page_version": 4, "state": "current", "version": 8, "approval": _RUN, "earlier": [],
}
WAITING: dict[str, Any] = {
    "approvals": [{
        "approval_id": "98765-1", "page_id": "98765", "space_id": "98305", "page_version": 4, "workflow_id": _WORKFLOW,
        "step": 0, "round": 1, "submitted_at": _AT, "version": 8, "workflow_name": "Policies", "step_name": "Review",
    }],
    "next": _CURSOR,
}
WORKFLOW: dict[str, Any] = {
    "workflow_id": _WORKFLOW, "space_id": "98305", "version": 5, "workflow_version": 3, "archived": False,
    "owners": ["5d0c1a7e"], "owners_read_at": None,
    "definition": {
        "name": "Policies", "owners": ["5d0c1a7e"], "on_edit": "reset", "four_eyes": True,
        "steps": [{"name": "Review", "approvers": [_GROUP], "rule": _QUORUM}],
    },
    "assignments": [{"scope": "space", "scope_id": "98305"}],
}
ENTRIES: dict[str, Any] = {
    "entries": [{
        "event_id": _COMMAND, "event_type": "approvalflow.event.decision-recorded.v1", "occurred_at": _AT,
        "partition": 3, "position": 1207, "hash": "5f" * 32,
        "body": {
            "data": {
                "site_id": "a1b2", "command_id": _COMMAND, "occurred_at": _AT, "actor_id": "5d0c1a7e", "version": 8,
                "page_id": "98765", "verdict": "approve",
            },
            "id": _COMMAND, "type": "approvalflow.event.decision-recorded.v1",
        },
    }],
    "next": _CURSOR,
}
COMMAND: dict[str, Any] = {
    "site_id": "a1b2", "command_id": _COMMAND, "result": "applied", "version": 8, "approval_id": "98765-1", "status": "open",
}
