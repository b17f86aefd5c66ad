"""Signing in and out: OpenID Connect's code flow with PKCE, by Authlib."""

import re
from typing import Annotated

import httpx
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth, StarletteOAuth2App
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from joserfc.errors import JoseError

from services.console.settings import Settings
from services.console.web.render import page
from services.console.web.state import Web, web
from shared.contracts.reasons import Reason
from shared.keys import configuration
from shared.problems import Refusal
from shared.tokens import Unauthenticated

_INSIDE = re.compile(r"/(?![/\\])[\x21-\x7e]{0,1000}")
_LARGEST = 2800
"""Characters of an ID token that still fits a cookie."""
_UNPROVEN = (OAuthError, JoseError, Unauthenticated, KeyError, ValueError)


def provider(settings: Settings) -> StarletteOAuth2App | None:
    """The provider that the settings name, asked for its own configuration at the first use."""
    if not settings.oidc_issuer:
        return None
    found = OAuth().register(
        "approvalflow", client_id=settings.oidc_client_id, client_secret=settings.oidc_client_secret.get_secret_value(),
        server_metadata_url=configuration(settings.oidc_issuer),
        client_kwargs={"scope": settings.oidc_scope, "code_challenge_method": "S256", "timeout": 5},
    )
    assert isinstance(found, StarletteOAuth2App)  # noqa: S101 - what registering returns, untyped
    return found


routes = APIRouter()
Needed = Annotated[Web, Depends(web)]


@routes.get("/signin")
async def sign_in(request: Request, needed: Needed, to: str = "/", *, again: bool = False) -> Response:
    """Off to the provider; ``again`` asks it not to bother a person who is still signed in there."""
    client = _provider(needed)
    asked = {"prompt": "none"} if again else {}
    try:
        answer: Response = await client.authorize_redirect(request, _callback(needed), **asked)
    except httpx.HTTPError:
        raise Refusal(Reason.UNAVAILABLE) from None
    request.session["to"] = inside(to)
    return answer


@routes.get("/signin/callback")
async def signed_in(request: Request, needed: Needed) -> Response:
    """Back from the provider, with a code or with why there is none."""
    client = _provider(needed)
    to = inside(str(request.session.get("to", "/")))
    if request.query_params.get("error") in {"login_required", "interaction_required", "consent_required"}:
        return RedirectResponse(f"{needed.base}/signin?to={to}", 303)
    try:
        tokens = await client.authorize_access_token(request)  # type: ignore[no-untyped-call]  # the stubs leave it untyped
        id_token = str(tokens["id_token"])
        principal = await needed.callers.person(id_token)
    except httpx.HTTPError:
        raise Refusal(Reason.UNAVAILABLE) from None
    except _UNPROVEN as error:
        structlog.get_logger().warning("sign-in refused", error=type(error).__name__)
        request.session.clear()
        raise Refusal(Reason.UNAUTHENTICATED) from None
    if len(id_token) > _LARGEST:
        structlog.get_logger().error("id token too large", count=len(id_token))
        raise Refusal(Reason.TOO_LARGE)
    name = tokens.get("userinfo", {}).get("name") or principal.caller.account_id
    request.session.clear()
    request.session.update(id_token=id_token, name=str(name)[:100])
    return RedirectResponse(needed.base + to, 303)


@routes.post("/signout")
async def sign_out(request: Request, needed: Needed) -> Response:
    """Here at once, and at the provider if it has a place for that."""
    id_token = request.session.get("id_token")
    request.session.clear()
    after = f"{needed.origin}{needed.base}/signed-out"
    try:
        answer: Response = await _provider(needed).logout_redirect(request, after, id_token_hint=id_token)
    except (RuntimeError, httpx.HTTPError):
        return RedirectResponse(after, 303)
    answer.status_code = 303
    return answer


@routes.get("/signed-out")
async def signed_out(needed: Needed) -> Response:
    """A place to come back to."""
    return page("signed_out.html", needed.base)


def inside(to: str) -> str:
    """Where to go after signing in: a path of this service, whatever was asked for."""
    return to if _INSIDE.fullmatch(to) else "/"


def _provider(needed: Web) -> StarletteOAuth2App:
    if needed.provider is None:
        raise Refusal(Reason.UNAUTHENTICATED)
    return needed.provider


def _callback(needed: Web) -> str:
    return f"{needed.origin}{needed.base}/signin/callback"
