"""What a visitor is shown instead of a page that cannot be: why, and what to do next."""

from typing import Any
from urllib.parse import quote

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.console.domain.words import refused
from services.console.web.render import page
from services.console.web.session import SAFE, Person, SignedOut, signed_in
from services.console.web.state import Web
from shared import postgres
from shared.contracts.reasons import Reason
from shared.problems import TITLE, Refusal


class Errors:
    """Each kind of error as a page."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def handlers(self) -> dict[int | type[Exception], Any]:
        """Which of them answers what."""
        return {
            SignedOut: self.signed_out, Refusal: self.refusal, HTTPException: self.http, RequestValidationError: self.http,
            **dict.fromkeys(postgres.UNAVAILABLE, self.unavailable), Exception: self.unforeseen,
        }

    async def signed_out(self, request: Request, _: Exception) -> Response:
        """Off to the provider, and back; what was written in a form is kept meanwhile."""
        if request.method not in SAFE:
            written = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
            return page("send_again.html", self._web.base, 401, written=written, action=request.url.path)
        if self._web.provider is None or request.headers.get("sec-fetch-mode", "navigate") != "navigate":
            return await self._told(request, Reason.UNAUTHENTICATED)
        to = request.url.path.removeprefix(self._web.base) + (f"?{request.url.query}" if request.url.query else "")
        again = "&again=true" if "id_token" in request.session else ""
        return RedirectResponse(f"{self._web.base}/signin?to={quote(to)}{again}", 303)

    async def refusal(self, request: Request, error: Refusal) -> Response:
        """Why not."""
        return await self._told(request, error.reason, error.status)

    async def http(self, request: Request, error: Exception) -> Response:
        """No such page, or not one that can be asked for in this way."""
        status = error.status_code if isinstance(error, HTTPException) else 422
        return await self._told(request, Reason.NOT_FOUND if status == 404 else Reason.MALFORMED, status)

    async def unavailable(self, request: Request, error: Exception) -> Response:
        """The database is away."""
        structlog.get_logger().warning("not available", error=type(error).__name__)
        return await self._told(request, Reason.UNAVAILABLE)

    async def unforeseen(self, request: Request, error: Exception) -> Response:
        """A fault of ours."""
        structlog.get_logger().error("not foreseen", exc_info=error)
        return await self._told(request, Reason.UNAVAILABLE, 500)

    async def _told(self, request: Request, reason: Reason, status: int | None = None) -> Response:
        status = status or Refusal(reason).status
        return page("error.html", self._web.base, status, person=await self._person(request), title=TITLE[reason], text=refused(reason))

    async def _person(self, request: Request) -> Person | None:
        """Who sees it, if that is known: they keep their way around."""
        try:
            return await signed_in(request, self._web)
        except SignedOut:
            return None
