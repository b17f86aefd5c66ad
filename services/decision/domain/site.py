"""Commands and facts about a site, a space or a group: directory facts, licences, and work that fans out to pages."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.decision.domain.result import Cause, Decided
from services.rules.state import approval_id
from shared.contracts.base import SYSTEM, Channel
from shared.contracts.commands import (
    CancelApproval,
    CancelApprovals,
    CancelCause,
    RecordGroupMembers,
    RecordRetention,
    RecordSpaceAdmins,
    SetLicence,
    SiteCommand,
)
from shared.contracts.events import ApprovalsCancelling, CommandRefused, Event, FactsRecorded, Kind, RetentionRecorded
from shared.contracts.facts import AppChanged, Fact, SpaceChanged
from shared.contracts.reasons import Reason

PAGES_AT_ONCE = 500
"""How many approvals one ``CancelApprovals`` cancels before it hands over to the next."""


@dataclass(frozen=True, slots=True)
class Present:
    """What is known before the command: when such facts were last read, and the open approvals still in scope."""

    read_at: datetime | None = None
    open: Sequence[tuple[str, int]] = ()


Outcome = Decided[None]


def decide(message: SiteCommand | Fact, cause: Cause, present: Present, now: datetime) -> Outcome | None:
    """Judge one command or fact; None when a fact tells nothing new."""
    about: dict[str, Any] = {"site_id": message.site_id, "command_id": str(cause.id), "occurred_at": now, "actor_id": cause.account_id}
    match message:
        case RecordSpaceAdmins():
            return _push(message, about | {"space_id": message.space_id}, present, "space_admins",
                         message.space_id, message.admins)
        case RecordGroupMembers():
            return _push(message, about, present, "group_members", message.group_id, message.members)
        case SetLicence():
            return _push(message, about, present, "licence", message.site_id, (str(message.active),))
        case CancelApprovals():
            return _cancel(message, about, present)
        case RecordRetention():
            return _internal(message, about) or Decided(None, RetentionRecorded(
                **about, run_id=message.run_id, kind=message.kind, removed=message.removed, digest=message.digest,
                before=message.before,
            ))
        case SpaceChanged() | AppChanged():
            return _told(message, about, present)
        case _:
            raise TypeError(f"not a site command: {type(message).__name__}")


def _refused(message: SiteCommand, about: dict[str, Any], reason: Reason) -> Outcome:
    return Decided(None, CommandRefused(**about, command=type(message).__name__, reason=reason))


def _internal(message: SiteCommand, about: dict[str, Any]) -> Outcome | None:
    """Some commands only our own services may issue."""
    return None if message.caller.channel is Channel.SYSTEM else _refused(message, about, Reason.NOT_PERMITTED)


def _push(
    message: RecordSpaceAdmins | RecordGroupMembers | SetLicence, about: dict[str, Any], present: Present,
    kind: Kind, subject: str, people: Sequence[str],
) -> Outcome:
    if not message.caller.app:
        return _refused(message, about, Reason.NOT_PERMITTED)
    if present.read_at is not None and message.read_at <= present.read_at:
        return _refused(message, about, Reason.FACTS_OUTDATED)
    digest = hashlib.sha256("\n".join(sorted(people)).encode()).hexdigest()
    return Decided(None, FactsRecorded(
        **about, kind=kind, subject_id=subject, read_at=message.read_at, count=len(people), digest=digest,
    ))


def _cancel(message: CancelApprovals, about: dict[str, Any], present: Present) -> Outcome:
    if refused := _internal(message, about):
        return refused
    batch = present.open[:PAGES_AT_ONCE]
    follow_ups: list[SiteCommand] = [
        CancelApproval(site_id=message.site_id, caller=SYSTEM, page_id=page, approval_id=approval_id(page, run),
                       cause=message.cause)
        for page, run in batch
    ]
    done = len(present.open) <= PAGES_AT_ONCE
    if not done:
        follow_ups.append(message.model_copy(update={"after": batch[-1][0]}))
    event: Event = ApprovalsCancelling(
        **about, scope=message.scope, scope_id=message.scope_id, issued=len(batch), done=done,
        space_id=message.scope_id if message.scope == "space" else None,
        workflow_id=message.scope_id if message.scope == "workflow" else None,
    )
    return Decided(None, event, follow_ups=tuple(follow_ups))


def _told(message: SpaceChanged | AppChanged, about: dict[str, Any], present: Present) -> Outcome | None:
    if message.change in ("created", "updated") or (present.read_at is not None and message.happened_at <= present.read_at):
        return None
    scope, subject = ("space", message.space_id) if isinstance(message, SpaceChanged) else ("site", message.site_id)
    kind: Kind = "space_removed" if isinstance(message, SpaceChanged) else (
        "app_installed" if message.change == "installed" else "app_uninstalled"
    )
    event = FactsRecorded(**about, kind=kind, subject_id=subject, read_at=message.happened_at,
                          space_id=subject if scope == "space" else None)
    if message.change == "installed":
        return Decided(None, event)
    cause = CancelCause.SPACE_REMOVED if scope == "space" else CancelCause.UNINSTALLED
    cancel = CancelApprovals.model_validate(
        {"site_id": message.site_id, "caller": SYSTEM, "scope": scope, "scope_id": subject, "cause": cause}
    )
    return Decided(None, event, follow_ups=(cancel,))
