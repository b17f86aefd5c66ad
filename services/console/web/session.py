"""Who is looking: a person signed in by OpenID Connect, remembered in a signed cookie for as long as their ID token lives."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware

from services.console.settings import Settings
from services.console.web.state import Web, web
from shared.contracts.reasons import Reason
from shared.problems import Refusal
from shared.tokens import Principal, Unauthenticated

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has signed in. ``token`` is what proves it to ``command``."""

    principal: Principal
    name: str
    token: str

    @property
    def site_id(self) -> str:
        """Their site: nothing of another is shown to them."""
        return self.principal.site_id

    @property
    def account_id(self) -> str:
        """Their account."""
        return self.principal.caller.account_id or ""

    @property
    def operator(self) -> bool:
        """Do they run the system?"""
        return self.principal.operator


class SignedOut(Unauthenticated):
    """Nobody has signed in, or it was too long ago."""


def session_key(encryption_key: str) -> str:
    """What cookies are signed with: every process of this service has the same."""
    return hmac.new(encryption_key.encode(), b"console session", hashlib.sha256).hexdigest()


def middleware(settings: Settings) -> Middleware:
    """The cookie: for this service's address alone, out of reach of scripts, and not sent along from other sites' forms."""
    secure = urlsplit(settings.base_url).scheme == "https"
    return Middleware(
        SessionMiddleware, secret_key=session_key(settings.encryption_keys()[0]),
        session_cookie="__Host-approvalflow" if secure else "approvalflow", max_age=int(settings.session_max.total_seconds()),
        same_site="lax", https_only=secure,
    )


async def signed_in(request: Request, needed: Annotated[Web, Depends(web)]) -> Person:
    """Who is looking.

    :raises SignedOut: nobody known.
    """
    session: dict[str, Any] = request.session
    token = session.get("id_token")
    if not isinstance(token, str):
        raise SignedOut
    try:
        principal = await needed.callers.person(token)
    except Unauthenticated:
        raise SignedOut from None
    return Person(principal, str(session.get("name") or principal.caller.account_id), token)


Visitor = Annotated[Person, Depends(signed_in)]


async def operating(person: Visitor) -> Person:
    """An operator; to anybody else such a page does not exist.

    :raises Refusal: they are not one.
    """
    if not person.operator:
        raise Refusal(Reason.NOT_FOUND)
    return person


Operating = Annotated[Person, Depends(operating)]


async def own_form(request: Request, needed: Annotated[Web, Depends(web)]) -> None:
    """Only our own pages may send forms here; a browser says where one comes from (Fetch Metadata, RFC 6454).

    :raises Refusal: this one does not come from here.
    """
    if request.method in SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    ours = site == "same-origin" if site is not None else request.headers.get("origin") == needed.origin
    if not ours:
        raise Refusal(Reason.CROSS_ORIGIN)
