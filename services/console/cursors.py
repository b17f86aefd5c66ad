"""Where a listing goes on: sealed, so that only what this service handed out for the same question is accepted."""

from datetime import datetime

import orjson
from cryptography.fernet import InvalidToken, MultiFernet

from shared.contracts.reasons import Reason
from shared.problems import Refusal

Place = tuple[datetime, str]
"""The time and the id of the last thing listed."""


class Cursors:
    """Seals and opens places."""

    def __init__(self, fernet: MultiFernet) -> None:
        self._fernet = fernet

    def after(self, question: tuple[str, ...], place: Place) -> str:
        """A cursor that answers ``question`` from behind this place on."""
        return self._fernet.encrypt(orjson.dumps([question, place])).decode()

    def place(self, question: tuple[str, ...], cursor: str | None) -> Place | None:
        """The place a cursor stands for; without one, the beginning.

        :raises Refusal: it is forged, or of another question.
        """
        if cursor is None:
            return None
        try:
            asked, (moment, last) = orjson.loads(self._fernet.decrypt(cursor))
        except (InvalidToken, ValueError, TypeError):
            raise Refusal(Reason.MALFORMED, "/query/cursor") from None
        if asked != list(question):
            raise Refusal(Reason.MALFORMED, "/query/cursor")
        return datetime.fromisoformat(moment), last
