"""The pages as one application, mounted under the API."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from services.console.web import approvals, approvals_admin, editor, operations, reports, session, signin, workflows
from services.console.web.render import page
from services.console.web.session import SAFE, SignedOut
from services.console.web.state import Web
from services.console.words import refused
from shared import postgres, telemetry
from shared.body import BodyLimit
from shared.contracts.reasons import Reason
from shared.problems import Refusal

Handler = Callable[[Request, Exception], Awaitable[Response]]


def application(web: Web) -> FastAPI:
    """Every page; only our own forms may change anything."""
    app = FastAPI(
        openapi_url=None, redirect_slashes=False, telemetry=telemetry.HTTP, middleware=[session.middleware(web.settings)],
        dependencies=[Depends(session.own_form)], exception_handlers=_handlers(web),
    )
    app.add_middleware(BodyLimit, max_bytes=web.settings.max_body_bytes, seconds=web.settings.body_seconds)
    app.state.web = web
    for routes in (signin.routes, approvals.routes, approvals_admin.routes, editor.routes, workflows.routes, reports.routes, operations.routes):
        app.include_router(routes)
    app.mount("/static", StaticFiles(packages=[("services.console", "static")]))
    return app


def _handlers(web: Web) -> dict[int | type[Exception], Any]:
    def told(reason: Reason, status: int | None = None, title: str | None = None) -> Response:
        problem = Refusal(reason, status=status)
        return page("error.html", web.base, problem.status, title=title or problem.title, text=refused(reason))

    async def signed_out(request: Request, _: Exception) -> Response:
        if request.method in SAFE and request.headers.get("sec-fetch-mode", "navigate") == "navigate" and web.provider is not None:
            to = request.url.path.removeprefix(web.base) + (f"?{request.url.query}" if request.url.query else "")
            again = "&again=true" if "id_token" in request.session else ""
            return RedirectResponse(f"{web.base}/signin?to={quote(to)}{again}", 303)
        if request.method in SAFE:
            return told(Reason.UNAUTHENTICATED)
        written = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
        return page("send_again.html", web.base, 401, written=written, action=request.url.path)

    async def refusal(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)  # noqa: S101 - what it is registered for
        return told(error.reason, error.status)

    async def http(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 422
        return told(Reason.NOT_FOUND if status == 404 else Reason.MALFORMED, status)

    async def unavailable(_: Request, error: Exception) -> Response:
        structlog.get_logger().warning("not available", error=type(error).__name__)
        return told(Reason.UNAVAILABLE)

    async def unforeseen(_: Request, error: Exception) -> Response:
        structlog.get_logger().error("not foreseen", exc_info=error)
        return told(Reason.UNAVAILABLE, 500)

    return {
        SignedOut: signed_out, Refusal: refusal, HTTPException: http, RequestValidationError: http,
        **dict.fromkeys(postgres.UNAVAILABLE, unavailable), Exception: unforeseen,
    }
