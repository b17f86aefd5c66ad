"""The OpenID Connect provider of the local mode: the authorisation code flow with a proof key (PKCE), for the console alone.

Whoever knows the password of the local mode signs in as anyone. Everything else is as strict as elsewhere.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlencode, urlsplit

import jinja2
from fastapi.security import HTTPBasic
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from services.local.authorisation import SESSION_SECONDS, TRY_SECONDS, Asked, Authorisations, Person
from services.local.issuer import IDENTITY_LIFETIME, OIDC_CLIENT, LocalIssuer

COOKIE = "approvalflow_provider"
_NOTHING = {"site": "local-site", "account": "", "operator": ""}
_REFUSALS = {"response_type": "unsupported_response_type", "scope": "invalid_scope"}
_pages = jinja2.Environment(loader=jinja2.PackageLoader("services.local"), autoescape=True, undefined=jinja2.StrictUndefined)
_basic = HTTPBasic(auto_error=False)
_NO_STORE = {"Cache-Control": "no-store"}


class _NotGranted(Exception):
    """The console is to hear that, and why."""

    def __init__(self, error: str, redirect_uri: str, state: str) -> None:
        super().__init__(error)
        self.error, self.redirect_uri, self.state = error, redirect_uri, state


class Provider:
    """Its endpoints. ``console`` is the console's address; ID tokens live ``lifetime`` seconds; ``clock`` gives seconds."""

    def __init__(self, issuer: LocalIssuer, console: str, lifetime: float, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._console = console
        self._lifetime = lifetime
        self._held = Authorisations(issuer.sign_in_password, clock)

    async def configuration(self, _request: Request) -> Response:
        """What this provider can do, and where."""
        at = self._issuer.provider
        return JSONResponse({
            "issuer": at,
            "authorization_endpoint": f"{at}/authorize",
            "token_endpoint": f"{at}/token",
            "jwks_uri": f"{at}/jwks",
            "end_session_endpoint": f"{at}/sign-out",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "scopes_supported": ["openid"],
            "prompt_values_supported": ["none", "login"],
            "claims_supported": ["iss", "aud", "sub", "iat", "exp", "nonce", "site_id", "roles", "name"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        })

    async def keys(self, _request: Request) -> Response:
        """The public keys of ID tokens."""
        return JSONResponse(self._issuer.identity_keys)

    async def style(self, _request: Request) -> Response:
        """How the form looks."""
        return Response(_pages.get_template("sign_in.css").render(), media_type="text/css")

    async def ask(self, request: Request) -> Response:
        """The form, unless the browser has a session and nobody wants to be asked again."""
        asked = self._asked(request)
        person = self._held.whose(request.cookies.get(COOKIE, ""))
        if person is not None and asked.prompt in {"", "none"}:
            return self._granted(asked, person)
        if asked.prompt == "none":
            raise _NotGranted("login_required", asked.redirect_uri, asked.state)
        return self._form()

    async def sign_in(self, request: Request) -> Response:
        """What the form posts."""
        asked = self._asked(request)
        given = _NOTHING | {name: str(value) for name, value in (await request.form(max_files=0)).items()}
        if self._held.exhausted:
            return self._form(429, "Too many wrong passwords. Wait half a minute.", given, {"Retry-After": f"{TRY_SECONDS:.0f}"})
        if not self._held.admits(given.get("password", "")):
            return self._form(401, "That is not the password.", given)
        try:
            person = Person(site=given["site"], account=given["account"], operator=bool(given["operator"]))
        except ValidationError:
            return self._form(422, "No site or account can have that name.", given)
        answer = self._granted(asked, person)
        answer.set_cookie(COOKIE, self._held.open(person), max_age=int(SESSION_SECONDS), httponly=True, samesite="lax")
        return answer

    async def exchange(self, request: Request) -> Response:
        """An ID token for a code."""
        client = await _basic(request)
        known, shown = self._issuer.oidc_client_secret.encode(), client.password.encode() if client is not None else b""
        if client is None or client.username != OIDC_CLIENT or not hmac.compare_digest(known, shown):
            return _no("invalid_client", 401, {"WWW-Authenticate": 'Basic realm="provider"'})
        form = {name: str(value) for name, value in (await request.form(max_files=0)).items()}
        if form.get("grant_type") != "authorization_code":
            return _no("unsupported_grant_type")
        redeemed = self._held.redeem(form.get("code", ""), form.get("redirect_uri", ""), form.get("code_verifier", ""))
        if redeemed is None:
            return _no("invalid_grant")
        asked, person = redeemed
        id_token = self._issuer.identity(person.site, person.account, person.operator, self._lifetime, asked.nonce)
        return JSONResponse({
            "id_token": id_token, "access_token": secrets.token_urlsafe(32),  # it opens nothing; the standard wants one
            "token_type": "Bearer", "expires_in": int(self._lifetime),
        }, headers=_NO_STORE)

    async def sign_out(self, request: Request) -> Response:
        """End the browser's session here, and go back to the console."""
        to = request.query_params.get("post_logout_redirect_uri", f"{self._console}/")
        if to != self._console and not to.startswith(f"{self._console}/"):
            raise HTTPException(400, "That is not the console's address.")
        self._held.close(request.cookies.get(COOKIE, ""))
        answer = _redirect(to, state=request.query_params.get("state", ""))
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return answer

    async def not_granted(self, _request: Request, error: Exception) -> Response:
        """Back to the console, with the reason."""
        assert isinstance(error, _NotGranted)  # noqa: S101 - the only one it is registered for
        return self._back(error.redirect_uri, error.state, error=error.error)

    def _asked(self, request: Request) -> Asked:
        """What the console asks for.

        :raises HTTPException: it is not the console, or not for the console.
        :raises _NotGranted: it is, and asks for something else than it may.
        """
        query = request.query_params
        if query.get("client_id") != OIDC_CLIENT or query.get("redirect_uri") != f"{self._console}/signin/callback":
            raise HTTPException(400, "No such client, or not its redirect URI.")
        try:
            return Asked.model_validate(dict(query))
        except ValidationError as error:
            reason = _REFUSALS.get(str(error.errors()[0]["loc"][0]), "invalid_request")
            raise _NotGranted(reason, query["redirect_uri"], query.get("state", "")) from None

    def _granted(self, asked: Asked, person: Person) -> Response:
        return self._back(asked.redirect_uri, asked.state, code=self._held.issue(asked, person))

    def _back(self, redirect_uri: str, state: str, **said: str) -> Response:
        return _redirect(redirect_uri, **said, state=state, iss=self._issuer.provider)

    def _form(
        self, status: int = 200, error: str = "", given: Mapping[str, str] = _NOTHING, headers: Mapping[str, str] | None = None,
    ) -> Response:
        console = urlsplit(self._console)
        policy = (
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none';"
            f" form-action 'self' {console.scheme}://{console.netloc}"  # browsers apply it to the redirect that answers, too
        )
        content = _pages.get_template("sign_in.html").render(error=error, given=given)
        return HTMLResponse(content, status, _NO_STORE | {"Content-Security-Policy": policy} | dict(headers or {}))


def _redirect(to: str, **parameters: str) -> Response:
    query = urlencode({name: value for name, value in parameters.items() if value})
    mark = "&" if "?" in to else "?"
    return RedirectResponse(f"{to}{mark}{query}" if query else to, 303, _NO_STORE)


def _no(error: str, status: int = 400, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": error}, status, _NO_STORE | dict(headers or {}))


def application(
    issuer: LocalIssuer, console: str, lifetime: float = IDENTITY_LIFETIME, clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """The provider for the console at this address; ID tokens live ``lifetime`` seconds."""
    provider = Provider(issuer, console, lifetime, clock)
    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", provider.configuration),
            Route("/jwks", provider.keys),
            Route("/sign-in.css", provider.style),
            Route("/authorize", provider.ask),
            Route("/authorize", provider.sign_in, methods=["POST"]),
            Route("/token", provider.exchange, methods=["POST"]),
            Route("/sign-out", provider.sign_out, methods=["GET", "POST"]),
        ],
        exception_handlers={_NotGranted: provider.not_granted},
    )
