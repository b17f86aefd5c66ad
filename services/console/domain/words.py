"""Pure: reasons and events as people read them, and what to do next."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from services.console.answers import ApprovalAnswer
from services.console.domain.approvals import Happening
from shared.contracts.events import Status
from shared.contracts.reasons import DESCRIPTION, Reason
from shared.contracts.workflow import All, OnEdit, Quorum, Rule

_NEXT: dict[Reason, str] = {
    Reason.LICENCE_INACTIVE: "Until whoever administers the site renews it, everything can be read, but nothing changed.",
    Reason.FACTS_STALE: "The app reads groups and space admins again by itself; try again in a while.",
    Reason.COMMENT_REQUIRED: "Say in a few words what must change.",
    Reason.UNAVAILABLE: "What you wrote is still here; send it again in a moment.",
    Reason.FOUR_EYES: "Somebody else must approve what you wrote. You may reject it.",
    Reason.UNAUTHENTICATED: "Sign in again.",
    Reason.CROSS_ORIGIN: "Open the page here and send the form from there.",
}
"""What a person may do about a reason, where that is not plain."""


def refused(reason: Reason) -> str:
    """Why something was not done, and what may be done about it."""
    return f"{DESCRIPTION[reason][1]} {_NEXT.get(reason, '')}".strip()


def described(reason: Reason) -> str:
    """Why things were refused."""
    return DESCRIPTION[reason][1]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person was looking at while they decided."""

    page_version: int
    step: int
    round: int


def conflict(reason: Reason, seen: Seen, approval: ApprovalAnswer, page_version: int | None) -> str:
    """Why a decision was not taken, by what has changed since the person looked."""
    newest = max(page_version or 0, approval.page_version)
    if reason in (Reason.PAGE_VERSION_STALE, Reason.VERSION_CONFLICT, Reason.APPROVAL_CLOSED) and newest > seen.page_version:
        changed = f"The page changed to version {newest} while you decided on version {seen.page_version}."
        return f"{changed} Look at version {newest} before you decide."
    if reason is Reason.APPROVAL_CLOSED:
        return f"The approval ended while you decided: it was {approval.status}."
    if reason is Reason.VERSION_CONFLICT and approval.round > seen.round:
        return "The approval went back to its first step while you decided. What was decided before counts no more."
    if reason in (Reason.VERSION_CONFLICT, Reason.NOT_AN_APPROVER) and approval.step > seen.step:
        done, now = approval.steps[seen.step].name, approval.steps[approval.step].name
        return f"Step “{done}” was completed while you decided. The approval now waits at “{now}”."
    return refused(reason)


def rule(asked: Rule, approvers: int) -> str:
    """When a step is complete."""
    if isinstance(asked, All):
        return "everyone must approve" if approvers > 1 else "must approve"
    if isinstance(asked, Quorum):
        return f"{asked.n} people must approve"
    return "one approval is enough"


def status(found: Status) -> str:
    """Where an approval stands."""
    return {Status.OPEN: "Waiting", Status.APPROVED: "Approved", Status.REJECTED: "Rejected", Status.CANCELLED: "Cancelled"}[found]


_CAUSES = {
    "edited": "since the page was edited", "trashed": "since the page was moved to the trash",
    "archived": "since the page was archived", "removed": "since the page was deleted", "space_removed": "since its space was deleted",
    "workflow_archived": "since its workflow was archived", "uninstalled": "since the app was uninstalled",
}


def who(what: Happening) -> str | None:
    """The person of whom ``happened`` says what they did; None where it says what was done."""
    theirs = what.kind in {"decision-recorded", "approval-submitted"} or what.event.get("cause") == "command"
    if theirs or (what.kind == "workflow-event" and what.event.get("change") != "owners_recorded"):
        return what.event.get("actor_id")
    return None


def happened(what: Happening) -> str:
    """What happened, as goes after ``who`` did it."""
    event = what.event
    if what.kind == "workflow-event":
        return _workflow(event)
    if event.get("cause") == "command":
        back = f"sent it back to step 1 at version {event.get('page_version')}"
        return "cancelled the approval" if what.kind == "approval-cancelled" else back
    step = f"step {event.get('step', 0) + 1}"
    if what.kind == "decision-recorded":
        done = " and completed it" if event.get("step_completed") and event.get("verdict") == "approve" else ""
        return f"{'approved' if event.get('verdict') == 'approve' else 'rejected'} {step}{done}"
    if what.kind == "approval-submitted":
        return f"put version {event.get('page_version')} up for approval"
    if what.kind == "approval-reset":
        return f"the approval went back to step 1 at version {event.get('page_version')} since the page was edited"
    if what.kind == "approval-kept":
        return f"the page was edited; the approval goes on at version {event.get('page_version')}"
    if what.kind == "approval-cancelled":
        return f"the approval was cancelled {_CAUSES.get(str(event.get('cause')), '')}".strip()
    version = event.get("page_version")
    return f"the page was {event.get('change', 'changed')}" + (f" (version {version})" if version else "")


def _workflow(event: dict[str, Any]) -> str:
    change = event.get("change")
    if change == "changed":
        return f"saved version {event.get('workflow_version')}"
    if change == "assigned":
        return f"assigned it to {event.get('scope')} {event.get('scope_id')}"
    other = {"created": "created it", "archived": "archived it", "owners_recorded": "its owners were recorded"}
    return other.get(str(change), "changed it")


def lasted(seconds: float) -> str:
    """A length of time in the one or two units that say most."""
    left = round(seconds)
    for size, unit, part, of_it in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if left >= size:
            rest = left % size // part
            return f"{left // size} {unit}" + (f" {rest} {of_it}" if rest else "")
    return f"{left} s"


def overtaken(history: Iterable[Happening], seen: int, doing: str) -> str:
    """What happened to a workflow since its record had the version ``seen``, while a person was ``doing`` something with it."""
    since = [what for what in history if what.event.get("version", 0) > seen]
    told = next((what for what in since if what.event.get("change") != "assigned"), since[0] if since else None)
    if told is None or told.event.get("actor_id") is None:
        return f"The workflow was changed while you {doing}."
    return f"{told.event['actor_id']} {_workflow(told.event)} while you {doing}."


def on_edit(chosen: OnEdit) -> str:
    """What an edit of the page does to its open approval."""
    return {
        OnEdit.RESET: "the approval goes back to step 1", OnEdit.KEEP: "the approval goes on", OnEdit.CANCEL: "the approval is cancelled",
    }[chosen]


def four_eyes(asked: bool) -> str:
    """Who of the approvers may not approve."""
    return "author and last editor may not approve" if asked else "author and last editor may approve too"


_MISTAKES = {
    "string_too_short": "This is needed.", "string_too_long": "This is longer than 255 characters.",
    "too_short": "At least one is needed.", "too_long": "These are too many.", "enum": "Choose one of these.",
    "union_tag_invalid": "Choose one of these.",
}


def mistake(error: ErrorDetails) -> str:
    """What is wrong with something typed into a form."""
    if error["loc"][-1] == "n":
        return "Give a number from 1 to 1,000."
    if error["type"] == "string_pattern_mismatch" and error["loc"][-1] == "name":
        return "A name is one line of text."
    if error["type"] in {"string_pattern_mismatch", "value_error"} and isinstance(error["input"], str):
        return f"“{error['input']}” cannot be the id of a person or a group." if error["input"] else "An id is missing."
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ").capitalize() + "."
    return _MISTAKES.get(error["type"], "This cannot be read.")
