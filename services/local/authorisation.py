"""What the local provider was asked, who signed in, and what it hands out for it."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Annotated, Literal

from cachetools import TTLCache
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from shared.contracts.base import AccountId, SiteId

CODE_SECONDS = 60.0
SESSION_SECONDS = 8 * 3600.0
TRIES = 5
"""Wrong passwords that are looked at within ``TRY_SECONDS``; after them none is, until the first of them is that old."""
TRY_SECONDS = 30.0


def _for_openid(scope: str) -> str:
    if "openid" not in scope.split():
        raise ValueError("not OpenID Connect")
    return scope


class Asked(BaseModel):
    """An authorisation request; the proof key and the nonce are required of everyone."""

    model_config = ConfigDict(frozen=True)

    redirect_uri: str
    response_type: Literal["code"]
    scope: Annotated[str, AfterValidator(_for_openid)]
    state: str = ""
    nonce: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    code_challenge: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
    code_challenge_method: Literal["S256"]
    prompt: str = ""

    def proved_by(self, verifier: str) -> bool:
        """Is the challenge the hash of this verifier?"""
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        return hmac.compare_digest(digest, self.code_challenge.encode())


class Person(BaseModel):
    """Whom somebody signed in as."""

    model_config = ConfigDict(frozen=True)

    site: SiteId
    account: AccountId
    operator: bool = False


class Authorisations:
    """Codes and sessions, for as long as they hold, and the wrong passwords of late. ``clock`` gives seconds."""

    def __init__(self, password: str, clock: Callable[[], float]) -> None:
        self._password = password.encode()
        self._codes: TTLCache[str, tuple[Asked, Person]] = TTLCache(1000, CODE_SECONDS, clock)
        self._sessions: TTLCache[str, Person] = TTLCache(1000, SESSION_SECONDS, clock)
        self._wrong: TTLCache[str, None] = TTLCache(TRIES, TRY_SECONDS, clock)

    @property
    def exhausted(self) -> bool:
        """Were there so many wrong passwords of late that no other is looked at?"""
        return len(self._wrong) >= TRIES

    def admits(self, password: str) -> bool:
        """Is it the password? A wrong one is remembered."""
        right = hmac.compare_digest(self._password, password.encode("utf-8", "replace"))
        if not right:
            self._wrong[secrets.token_hex()] = None
        return right

    def open(self, person: Person) -> str:
        """A new session; what the browser shows for it."""
        session = secrets.token_urlsafe(32)
        self._sessions[session] = person
        return session

    def whose(self, session: str) -> Person | None:
        """Who signed in, if that session holds."""
        return self._sessions.get(session)

    def close(self, session: str) -> None:
        """End a session, if it is one."""
        self._sessions.pop(session, None)

    def issue(self, asked: Asked, person: Person) -> str:
        """A code, bound to all that was asked."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = (asked, person)
        return code

    def redeem(self, code: str, redirect_uri: str, verifier: str) -> tuple[Asked, Person] | None:
        """What the code was issued for, if it still holds and both belong to it; it is gone afterwards in any case."""
        asked, person = self._codes.pop(code, (None, None))
        if asked is None or person is None or redirect_uri != asked.redirect_uri or not asked.proved_by(verifier):
            return None
        return asked, person
