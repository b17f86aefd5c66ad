"""The read API. Every route names the site of its caller's token in each query, and needs no licence."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime

from services.console.answers import ApprovalAnswer, CommandAnswer, EntryPage, PageAnswer, WaitingPage, WorkflowAnswer
from services.console.cursors import Cursors
from services.console.domain.approvals import unchanged
from services.console.domain.listing import Index, Order
from services.console.measured import Measured
from services.console.store import approvals, audit
from services.rules.state import page_of
from shared.callers import Callers
from shared.clock import now
from shared.contracts.base import AccountId, ObjectId
from shared.contracts.reasons import Reason
from shared.openapi import SECURITY, problem
from shared.postgres import Reading, for_site
from shared.problems import Refusal
from shared.tokens import Principal


@dataclass(frozen=True, slots=True)
class Reads:
    """What the routes need; made once, in the wiring."""

    callers: Callers
    pool: asyncpg.Pool
    cursors: Cursors
    facts_max_age: timedelta

    def of(self, by: Principal) -> Reading:
        """Reads of the caller's site."""
        return for_site(self.pool, by.site_id)

    def oldest(self) -> datetime:
        """When facts must have been read to allow anything."""
        return now() - self.facts_max_age


class _Read(Measured):
    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options | {"openapi_extra": {"security": SECURITY}})


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond what can be compared") from None


async def _reads(request: Request) -> Reads:
    reads: Reads = request.app.state.reads
    return reads


Needed = Annotated[Reads, Depends(_reads)]


async def _caller(request: Request, reads: Needed) -> Principal:
    """A person or the app; a token of neither, as of a visitor who is not logged in, reads nothing."""
    principal = await reads.callers.person_or_app(request)
    if principal.caller.account_id is None and not principal.caller.app:
        raise Refusal(Reason.NOT_PERMITTED)
    return principal


By = Annotated[Principal, Depends(_caller)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the answer before, to the same question.")]

_VERSIONED: dict[int | str, dict[str, Any]] = {200: {"headers": {"ETag": {"description": "The version.", "schema": {"type": "string"}}}}}
routes = APIRouter(
    prefix="/v1", tags=["reads"], route_class=_Read,
    responses={
        "4XX": problem(Reason.NOT_FOUND, "Refused, and why."), 503: problem(Reason.UNAVAILABLE, "Try again."),
    },
)


@routes.get("/approvals/{approval_id}", summary="An approval", responses=_VERSIONED)
async def approval(approval_id: ObjectId, by: By, reads: Needed, response: Response) -> ApprovalAnswer:
    """Its steps, who may decide and who has, and what is missing. Also one that a later run replaced."""
    try:
        page_id, run = page_of(approval_id)
    except ValueError:
        raise Refusal(Reason.NOT_FOUND, "approval_id") from None
    stored = await approvals.approval(reads.of(by), by.site_id, page_id, run)
    if stored is None:
        raise Refusal(Reason.NOT_FOUND)
    response.headers["ETag"] = f'"{stored.version}"'
    return stored.answer(page_id)


@routes.get(
    "/pages/{page_id}/approval", summary="A page's approval", response_model=PageAnswer,
    responses=_VERSIONED | {304: {"description": "Still at the version named."}},
)
async def page_approval(page_id: ObjectId, by: By, reads: Needed, request: Request, response: Response) -> PageAnswer | Response:
    """Where a page stands, and its earlier runs. Retention taking an earlier run away is no new version."""
    found = await approvals.page(reads.of(by), by.site_id, page_id)
    if found is None:
        raise Refusal(Reason.NOT_FOUND)
    tag = {"ETag": f'"{found.version}"'}
    if unchanged(request.headers.get("if-none-match"), found.version):
        return Response(status_code=304, headers=tag)
    response.headers.update(tag)
    return found


@routes.get("/me/decisions", summary="What waits for the caller")
async def my_decisions(by: By, reads: Needed, limit: Limit = 50, cursor: Cursor = None) -> WaitingPage:
    """Open approvals whose active step the caller may decide on and has not, oldest first."""
    account = by.caller.account_id
    if account is None:
        raise Refusal(Reason.NOT_PERMITTED)
    question = ("decisions", by.site_id, account)
    place = reads.cursors.place(question, cursor)
    found = await approvals.waiting(reads.of(by), approvals.Mine(by.site_id, account, reads.oldest()), place, limit + 1)
    more = reads.cursors.after(question, (found[limit - 1].submitted_at, found[limit - 1].page_id)) if len(found) > limit else None
    return WaitingPage(approvals=tuple(found[:limit]), next=more)


@routes.get("/workflows/{workflow_id}", summary="A workflow", responses=_VERSIONED)
async def workflow(workflow_id: ObjectId, by: By, reads: Needed, response: Response) -> WorkflowAnswer:
    """Its present definition. An assignment that another workflow takes over is no new version of this one."""
    found = await approvals.workflow(reads.of(by), by.site_id, workflow_id)
    if found is None:
        raise Refusal(Reason.NOT_FOUND)
    response.headers["ETag"] = f'"{found.version}"'
    return found


@routes.get("/commands/{command_id}", summary="What became of a command")
async def command(command_id: UUID, by: By, reads: Needed) -> CommandAnswer:
    """Pending, applied, or refused and why."""
    found = await approvals.command(reads.of(by), by.site_id, command_id)
    if found is None:
        raise Refusal(Reason.NOT_FOUND)
    return found


@dataclass(frozen=True, slots=True)
class Listing:
    """The part of an audit question that all indexes share."""

    since: Annotated[Moment | None, Query(alias="from", description="The earliest time.")] = None
    until: Annotated[Moment | None, Query(alias="to", description="The time before which.")] = None
    order: Order = Order.NEWEST
    limit: Limit = 50
    cursor: Cursor = None


Listed = Annotated[Listing, Depends()]


async def _audit(index: Index, named: str | None, by: Principal, reads: Reads, listing: Listing) -> EntryPage:
    asked = audit.Asked(by.site_id, index, named, listing.order, listing.since, listing.until)
    account = by.caller.account_id
    if account is not None and not await audit.may_read(reads.of(by), asked, account, reads.oldest()):
        raise Refusal(Reason.NOT_PERMITTED)
    question = ("audit", by.site_id, index, named or "", listing.order, str(listing.since), str(listing.until))
    place = reads.cursors.place(question, listing.cursor)
    found = await audit.entries(reads.of(by), asked, place, listing.limit + 1)
    last = found[listing.limit - 1] if len(found) > listing.limit else None
    more = None if last is None else reads.cursors.after(question, (last.occurred_at, str(last.event_id)))
    return EntryPage(entries=tuple(found[:listing.limit]), next=more)


@routes.get("/audit", summary="Audit entries")
async def audit_entries(by: By, reads: Needed, listing: Listed) -> EntryPage:
    """All of the site, for the app itself."""
    return await _audit(Index.TIME, None, by, reads, listing)


@routes.get("/audit/pages/{page_id}", summary="Audit entries of a page")
async def audit_of_page(page_id: ObjectId, by: By, reads: Needed, listing: Listed) -> EntryPage:
    """For those who administer the page's space, and the app itself."""
    return await _audit(Index.PAGES, page_id, by, reads, listing)


@routes.get("/audit/spaces/{space_id}", summary="Audit entries of a space")
async def audit_of_space(space_id: ObjectId, by: By, reads: Needed, listing: Listed) -> EntryPage:
    """For those who administer it, and the app itself."""
    return await _audit(Index.SPACES, space_id, by, reads, listing)


@routes.get("/audit/workflows/{workflow_id}", summary="Audit entries of a workflow")
async def audit_of_workflow(workflow_id: ObjectId, by: By, reads: Needed, listing: Listed) -> EntryPage:
    """For its owners, and the app itself."""
    return await _audit(Index.WORKFLOWS, workflow_id, by, reads, listing)


@routes.get("/audit/actors/{account_id}", summary="Audit entries of a person")
async def audit_of_actor(account_id: AccountId, by: By, reads: Needed, listing: Listed) -> EntryPage:
    """For that person, and the app itself."""
    return await _audit(Index.ACTORS, account_id, by, reads, listing)
