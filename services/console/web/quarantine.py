"""Quarantine: what waits and why, what a release would do, and the release, which ``command`` is asked for in the operator's name."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response

from services.console.domain import words
from services.console.domain.releasing import Fate, Record, Released, Service, foresee
from services.console.measured import Measured
from services.console.store import operations
from services.console.store import quarantine as store
from services.console.web.render import page
from services.console.web.session import Operating, Person
from services.console.web.state import Web, web
from shared.contracts.reasons import Reason
from shared.problems import Refusal

routes = APIRouter(prefix="/quarantine", route_class=Measured)
Needed = Annotated[Web, Depends(web)]
KEYS, RECORDS = 200, 500
"""How many keys, and records of one, a page shows."""


class Do(StrEnum):
    """What an operator may do with what waits under a key."""

    RELEASE = "release"
    SET_ASIDE = "set_aside"


@routes.get("")
async def quarantine(person: Operating, needed: Needed) -> Response:
    """What waits, by key, longest first."""
    return page("quarantine.html", needed.base, person=person, held=await operations.held(needed.across, KEYS), path=path)


@routes.get("/{service}/{key:path}")
async def quarantined(
    service: Service, key: str, person: Operating, needed: Needed, do: Do | None = None, asked: UUID | None = None,
) -> Response:
    """What waits under one key; with ``do``, what that would lead to. ``asked`` is the command that led here."""
    return await _show(service, key, person, needed, do=do, asked=asked)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operator confirms: the first record is the one they were shown. ``once`` makes a repeat the same command."""

    do: Annotated[Do, Form()]
    first: Annotated[str, Form(max_length=40)]
    once: Annotated[UUID, Form()]


@routes.post("/{service}/{key:path}")
async def release(service: Service, key: str, person: Operating, needed: Needed, wanted: Annotated[Wanted, Depends()]) -> Response:
    """Ask ``command`` for it, if the record in front is still the one that was shown."""
    waiting = [one for one in await store.records(needed.across, service, key, RECORDS) if not one.done]
    if not waiting or place(waiting[0]) != wanted.first:
        return await _show(service, key, person, needed, status=409, why="What waits here has changed since you looked. Look again.")
    body = {"key": key, "set_aside": wanted.do is Do.SET_ASIDE}
    try:
        answer = await needed.commands.ask(person.token, "POST", "/v1/quarantine/releases", body, key=wanted.once.hex)
    except Refusal as refusal:
        return await _show(service, key, person, needed, do=wanted.do, status=refusal.status, why=words.refused(refusal.reason))
    return RedirectResponse(f"{needed.base}{path(service, key)}?asked={answer['command_id']}", 303)


async def _show(
    service: Service, key: str, person: Person, needed: Web, *, do: Do | None = None, asked: UUID | None = None, status: int = 200,
    why: str | None = None,
) -> Response:
    found, became = await asyncio.gather(
        store.records(needed.across, service, key, RECORDS), _became(needed, asked, key),
    )
    if not found and asked is None:
        raise Refusal(Reason.NOT_FOUND)
    waiting = [one for one in found if not one.done]
    fates = foresee(service, waiting, set_aside=do is Do.SET_ASIDE) if do is not None else []
    return page(
        "quarantine_key.html", needed.base, status, person=person, service=service, key=key, path=path, place=place, waiting=waiting,
        done=[one for one in found if one.done], full=len(found) == RECORDS, do=do if waiting else None, fates=fates, asked=asked,
        became=became, why=why, once=uuid4().hex, refused=words.refused, Do=Do, Fate=Fate, Reason=Reason, Service=Service,
    )


async def _became(needed: Web, asked: UUID | None, key: str) -> Released | None:
    return None if asked is None else await store.released(needed.across, asked, key)


def place(record: Record) -> str:
    """Where a record lies on the log."""
    return f"{record.partition}/{record.log_offset}"


def path(service: str, key: str) -> str:
    """Where what waits under a key is shown."""
    return f"/operations/quarantine/{service}/{quote(key, safe='')}"
