"""The operators' page: one look at the whole system, rendered here, behind a password."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import jinja2
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import SecretStr

from services.console.overview import Overview
from shared.contracts.reasons import Reason
from shared.problems import Refusal

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="operators"'}
_basic = HTTPBasic(realm="operators", auto_error=False)
_pages = jinja2.Environment(loader=jinja2.PackageLoader("services.console"), autoescape=True, undefined=jinja2.StrictUndefined)


@dataclass(frozen=True, slots=True)
class Operators:
    """What the page needs; made once, in the wiring."""

    password: SecretStr
    overview: Overview

    def admit(self, credentials: HTTPBasicCredentials | None) -> None:
        """Let in whoever knows the password, under any name.

        :raises Refusal: they do not, or there is none.
        """
        known = self.password.get_secret_value().encode()
        given = credentials.password.encode() if credentials is not None else b""
        if not hmac.compare_digest(known, given) or not known:
            raise Refusal(Reason.UNAUTHENTICATED, headers=_CHALLENGE)


routes = APIRouter(include_in_schema=False)


@routes.get("/")
async def page(request: Request, credentials: Annotated[HTTPBasicCredentials | None, Depends(_basic)]) -> HTMLResponse:
    """The page."""
    operators: Operators = request.app.state.operators
    operators.admit(credentials)
    view = await operators.overview.look()
    return HTMLResponse(_pages.get_template("operators.html").render(view=view), headers={"Cache-Control": "no-store"})


@routes.get("/console.css")
async def style() -> Response:
    """How it looks; nothing in it is secret."""
    return Response(_pages.get_template("console.css").render(), media_type="text/css", headers={"Cache-Control": "max-age=300"})


def ago(seconds: float) -> str:
    """A length of time in the one unit that says most."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def kind(event_type: str) -> str:
    """An event's type as words."""
    return event_type.removeprefix("approvalflow.event.").rpartition(".v")[0].replace("-", " ")


def clock(moment: datetime) -> str:
    """The time of day, in UTC."""
    return f"{moment:%H:%M:%S}"


_pages.filters.update(ago=ago, kind=kind, clock=clock)
