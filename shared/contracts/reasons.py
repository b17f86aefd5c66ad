"""Why something was refused: one closed list for problem documents, outcomes, metrics and quarantine."""

from enum import StrEnum
from http import HTTPStatus


class Reason(StrEnum):
    """Each member's value is a contract: dashboards and clients key on it."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    UNAUTHENTICATED = "unauthenticated"
    SITE_MISMATCH = "site_mismatch"
    CROSS_ORIGIN = "cross_origin"
    NOT_PERMITTED = "not_permitted"
    LICENCE_INACTIVE = "licence_inactive"
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    NOT_FOUND = "not_found"
    NOT_AN_APPROVER = "not_an_approver"
    ALREADY_DECIDED = "already_decided"
    FOUR_EYES = "four_eyes"
    COMMENT_REQUIRED = "comment_required"
    PAGE_VERSION_STALE = "page_version_stale"
    VERSION_CONFLICT = "version_conflict"
    APPROVAL_CLOSED = "approval_closed"
    APPROVAL_OPEN = "approval_open"
    PAGE_UNAVAILABLE = "page_unavailable"
    SPACE_REMOVED = "space_removed"
    WORKFLOW_ARCHIVED = "workflow_archived"
    WORKFLOW_NOT_ASSIGNED = "workflow_not_assigned"
    FACTS_STALE = "facts_stale"
    FACTS_OUTDATED = "facts_outdated"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    UNHANDLED = "unhandled"
    WAITING = "waiting"


DESCRIPTION: dict[Reason, tuple[HTTPStatus, str]] = {
    Reason.MALFORMED: (HTTPStatus.UNPROCESSABLE_ENTITY, "The request could not be read as what it should be."),
    Reason.TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than is accepted."),
    Reason.TIME_OUT_OF_RANGE: (HTTPStatus.UNPROCESSABLE_ENTITY, "The time given is too far in the past or the future."),
    Reason.UNAUTHENTICATED: (HTTPStatus.UNAUTHORIZED, "The signature or token was not accepted."),
    Reason.SITE_MISMATCH: (HTTPStatus.FORBIDDEN, "What is asked for belongs to another site."),
    Reason.CROSS_ORIGIN: (HTTPStatus.FORBIDDEN, "The form was sent from a page that is not ours."),
    Reason.NOT_PERMITTED: (HTTPStatus.FORBIDDEN, "Only a space admin or an owner of the workflow may do this."),
    Reason.LICENCE_INACTIVE: (HTTPStatus.FORBIDDEN, "The app has no active licence on this site."),
    Reason.IDEMPOTENCY_KEY_MISSING: (HTTPStatus.BAD_REQUEST, "A change needs an Idempotency-Key header."),
    Reason.IDEMPOTENCY_KEY_REUSED: (HTTPStatus.UNPROCESSABLE_ENTITY, "This Idempotency-Key came with another body before."),
    Reason.NOT_FOUND: (HTTPStatus.NOT_FOUND, "There is no such thing on this site."),
    Reason.NOT_AN_APPROVER: (HTTPStatus.FORBIDDEN, "You are not an approver of the active step."),
    Reason.ALREADY_DECIDED: (HTTPStatus.CONFLICT, "You have already decided on this step."),
    Reason.FOUR_EYES: (HTTPStatus.FORBIDDEN, "The author or last editor of a version may not approve it."),
    Reason.COMMENT_REQUIRED: (HTTPStatus.UNPROCESSABLE_ENTITY, "A rejection needs a comment."),
    Reason.PAGE_VERSION_STALE: (HTTPStatus.CONFLICT, "The page has another version than the one named."),
    Reason.VERSION_CONFLICT: (HTTPStatus.PRECONDITION_FAILED, "It has changed since the version named in If-Match."),
    Reason.APPROVAL_CLOSED: (HTTPStatus.CONFLICT, "The approval has ended."),
    Reason.APPROVAL_OPEN: (HTTPStatus.CONFLICT, "The page has an open approval."),
    Reason.PAGE_UNAVAILABLE: (HTTPStatus.CONFLICT, "The page is archived, trashed or removed."),
    Reason.SPACE_REMOVED: (HTTPStatus.CONFLICT, "The space has been removed."),
    Reason.WORKFLOW_ARCHIVED: (HTTPStatus.CONFLICT, "The workflow is archived."),
    Reason.WORKFLOW_NOT_ASSIGNED: (HTTPStatus.CONFLICT, "No workflow is assigned to the page or its space."),
    Reason.FACTS_STALE: (HTTPStatus.CONFLICT, "What is known of groups or admins is too old to allow this."),
    Reason.FACTS_OUTDATED: (HTTPStatus.CONFLICT, "Newer facts are already known."),
    Reason.RATE_LIMITED: (HTTPStatus.TOO_MANY_REQUESTS, "You, or your site, ask for more in a short time than is accepted."),
    Reason.UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, "It cannot be accepted just now; try again."),
    Reason.UNHANDLED: (HTTPStatus.INTERNAL_SERVER_ERROR, "It could not be handled and is kept for an operator."),
    Reason.WAITING: (HTTPStatus.CONFLICT, "An earlier record of the same key waits in quarantine."),
}
"""The HTTP status and the sentence for a person, of each reason."""
