"""The pages as one application, mounted under the API."""

from fastapi import Depends, FastAPI
from starlette.staticfiles import StaticFiles

from services.console.web import approvals, approvals_admin, editor, operations, reports, session, signin, workflows
from services.console.web.errors import Errors
from services.console.web.state import Web
from shared import telemetry
from shared.body import BodyLimit


def application(web: Web) -> FastAPI:
    """Every page; only our own forms may change anything."""
    app = FastAPI(
        openapi_url=None, redirect_slashes=False, telemetry=telemetry.HTTP, middleware=[session.middleware(web.settings)],
        dependencies=[Depends(session.own_form)], exception_handlers=Errors(web).handlers(),
    )
    app.add_middleware(BodyLimit, max_bytes=web.settings.max_body_bytes, seconds=web.settings.body_seconds)
    app.state.web = web
    for pages in (signin, approvals, approvals_admin, editor, workflows, reports, operations):
        app.include_router(pages.routes)
    app.mount("/static", StaticFiles(packages=[("services.console", "static")]))
    return app
