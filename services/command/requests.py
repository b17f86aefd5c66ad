"""Pure: every REST command, from its body to the message it becomes. The OpenAPI document is made from this table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from services.command.bodies import (
    Admins,
    Members,
    NewApproval,
    NewDecision,
    NewWorkflow,
    NextDefinition,
    Nothing,
    Owners,
    Release,
    SiteLicence,
)
from services.rules.state import page_of
from shared.contracts import commands as c
from shared.contracts.base import Caller, Command
from shared.contracts.reasons import Reason
from shared.contracts.topics import site_of
from shared.problems import Refusal


@dataclass(frozen=True, slots=True)
class Asked:
    """What surrounds a body: who asks, the ids in the path, the version named, and the id the command will have."""

    site_id: str
    caller: Caller
    path: Mapping[str, Any]
    command_id: UUID
    expected_version: int | None
    salt: str

    def common(self) -> dict[str, Any]:
        """The fields of every command."""
        return {"site_id": self.site_id, "caller": self.caller}

    def versioned(self) -> dict[str, Any]:
        """The fields of every command that may name the version it expects."""
        return self.common() | {"expected_version": self.expected_version}

    def approval(self) -> dict[str, Any]:
        """The approval in the path, and its page.

        :raises Refusal: it is not an approval's id.
        """
        named = self.path["approval_id"]
        try:
            return {"approval_id": named, "page_id": page_of(named)[0]}
        except ValueError:
            raise Refusal(Reason.NOT_FOUND, "approval_id") from None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One command over HTTP: its place, its body, who may ask, and what it becomes."""

    method: Literal["POST", "PUT", "DELETE"]
    path: str
    body: type[Command]
    by: Literal["person", "app", "operator"]
    build: Callable[[Asked, Any], c.SiteCommand]
    summary: str
    example: Mapping[str, Any] | None = None


def _create(asked: Asked, body: NewWorkflow) -> c.SiteCommand:
    return c.CreateWorkflow(
        **asked.common(),
        workflow_id=f"wf-{asked.command_id.hex}",
        space_id=body.space_id,
        definition=body.definition,
    )


def _change(asked: Asked, body: NextDefinition) -> c.SiteCommand:
    return c.ChangeWorkflow(**asked.versioned(), workflow_id=asked.path["workflow_id"], definition=body.definition)


def _archive(asked: Asked, _: Nothing) -> c.SiteCommand:
    return c.ArchiveWorkflow(**asked.versioned(), workflow_id=asked.path["workflow_id"])


def _assign(asked: Asked, _: Nothing) -> c.SiteCommand:
    return c.AssignWorkflow(**asked.common(), **asked.path)


def _submit(asked: Asked, body: NewApproval) -> c.SiteCommand:
    return c.SubmitApproval(**asked.common(), page_id=asked.path["page_id"], **dict(body))


def _decide(asked: Asked, body: NewDecision) -> c.SiteCommand:
    comment = None if body.comment is None else c.Comment(text=body.comment, salt=asked.salt)
    return c.RecordDecision(
        **asked.versioned(),
        **asked.approval(),
        page_version=body.page_version,
        verdict=body.verdict,
        comment=comment,
    )


def _reset(asked: Asked, _: Nothing) -> c.SiteCommand:
    return c.ResetApproval(**asked.versioned(), **asked.approval())


def _cancel(asked: Asked, _: Nothing) -> c.SiteCommand:
    return c.CancelApproval(**asked.versioned(), **asked.approval())


def _group(asked: Asked, body: Members) -> c.SiteCommand:
    return c.RecordGroupMembers(**asked.common(), **asked.path, **dict(body))


def _admins(asked: Asked, body: Admins) -> c.SiteCommand:
    return c.RecordSpaceAdmins(**asked.common(), **asked.path, **dict(body))


def _owners(asked: Asked, body: Owners) -> c.SiteCommand:
    return c.RecordWorkflowOwners(**asked.common(), **asked.path, **dict(body))


def _licence(asked: Asked, body: SiteLicence) -> c.SiteCommand:
    return c.SetLicence(**asked.common(), **dict(body))


def _release(asked: Asked, body: Release) -> c.SiteCommand:
    """Audited where the records belong, whatever site the operator is of."""
    return c.ReleaseQuarantine(caller=asked.caller, site_id=site_of(body.key), **dict(body))


_DEFINITION = {
    "name": "Policies",
    "owners": ["5d0c1a7e"],
    "on_edit": "reset",
    "four_eyes": True,
    "steps": [
        {"name": "Review", "approvers": [{"kind": "group", "id": "reviewers"}], "rule": {"kind": "quorum", "n": 2}},
        {"name": "Release", "approvers": [{"kind": "account", "id": "5d0c1a7e"}], "rule": {"kind": "all"}},
    ],
}
_READ_AT = "2026-11-02T09:30:00Z"

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/workflows",
        NewWorkflow,
        "person",
        _create,
        "Create a workflow",
        {"space_id": "98305", "definition": _DEFINITION},
    ),
    Endpoint(
        "PUT",
        "/v1/workflows/{workflow_id}",
        NextDefinition,
        "person",
        _change,
        "Change a workflow",
        {"definition": _DEFINITION},
    ),
    Endpoint("DELETE", "/v1/workflows/{workflow_id}", Nothing, "person", _archive, "Archive a workflow"),
    Endpoint(
        "PUT",
        "/v1/workflows/{workflow_id}/assignments/{scope}/{scope_id}",
        Nothing,
        "person",
        _assign,
        "Assign a workflow to a page or a space",
    ),
    Endpoint(
        "POST",
        "/v1/pages/{page_id}/approvals",
        NewApproval,
        "person",
        _submit,
        "Submit a page version for approval",
        {"page_version": 4, "space_id": "98305"},
    ),
    Endpoint(
        "POST",
        "/v1/approvals/{approval_id}/decisions",
        NewDecision,
        "person",
        _decide,
        "Approve or reject",
        {"page_version": 4, "verdict": "reject", "comment": "The second table is out of date."},
    ),
    Endpoint("POST", "/v1/approvals/{approval_id}/reset", Nothing, "person", _reset, "Go back to step one"),
    Endpoint("POST", "/v1/approvals/{approval_id}/cancel", Nothing, "person", _cancel, "Cancel an approval"),
    Endpoint(
        "PUT",
        "/v1/directory/groups/{group_id}",
        Members,
        "app",
        _group,
        "Record who is in a group",
        {"members": ["5d0c1a7e"], "read_at": _READ_AT},
    ),
    Endpoint(
        "PUT",
        "/v1/directory/spaces/{space_id}/admins",
        Admins,
        "app",
        _admins,
        "Record who administers a space",
        {"admins": ["5d0c1a7e"], "read_at": _READ_AT},
    ),
    Endpoint(
        "PUT",
        "/v1/directory/workflows/{workflow_id}/owners",
        Owners,
        "app",
        _owners,
        "Record who owns a workflow",
        {"owners": ["5d0c1a7e"], "read_at": _READ_AT},
    ),
    Endpoint(
        "PUT",
        "/v1/licence",
        SiteLicence,
        "app",
        _licence,
        "Record the licence of a site",
        {"active": True, "read_at": _READ_AT},
    ),
    Endpoint(
        "POST",
        "/v1/quarantine/releases",
        Release,
        "operator",
        _release,
        "Handle again what waits in quarantine under a key",
        {"key": "a1b2:98765"},
    ),
)
"""Every command this service accepts."""
