"""Pure: from what Confluence sent to facts, and from a time to whether it is believable."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from pydantic import TypeAdapter, ValidationError

from shared.contracts.base import AccountId
from shared.contracts.facts import Fact, PageChange
from shared.contracts.reasons import Reason
from shared.problems import Refusal, malformed

Body = Mapping[str, Any]
FACTS = UUID("6a1f6df4-2f55-5d0e-9a3c-0d5b8ad1c7a1")
"""Namespace of fact ids."""
LET_BE = ("comment", "label", "attachment", "task", "user", "group", "other")
"""Families of events that change no approval; they label the metric."""


@dataclass(frozen=True, slots=True)
class Translation:
    """One event: its kind (from a closed list) and, if it matters, the fact and its id."""

    kind: str
    fact: Fact | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """How far from the present a time may be."""

    past: timedelta
    future: timedelta

    def check(self, moment: datetime, now: datetime, field: str) -> None:
        """:raises Refusal: the moment is outside."""
        if not now - self.past <= moment <= now + self.future:
            raise Refusal(Reason.TIME_OUT_OF_RANGE, field)


def translated(kind: str, build: type[Fact], at: datetime | None, now: datetime, fields: Mapping[str, Any]) -> Translation:
    """Build the fact. Its id says which event it is, since Confluence gives deliveries none.

    An event without a time and without a version has nothing to know a repeat by, so each arrival is its own.

    :raises Refusal: a field is not what it must be.
    """
    try:
        fact = build(happened_at=at or now, **{name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise malformed(error) from None
    subject = fields.get("page_id") or fields.get("space_id") or ""
    version = fields.get("page_version")
    time = at.isoformat() if at else "" if version else now.isoformat()
    return Translation(kind, fact, uuid5(FACTS, "\n".join((fact.site_id, kind, str(subject), str(version or ""), time))))


PAGE_CHANGES: Mapping[str, PageChange] = {change.value: change for change in PageChange} | {"deleted": PageChange.REMOVED}
SPACE_CHANGES = {"created": "created", "updated": "updated", "removed": "removed", "deleted": "removed"}


def family(name: str) -> str:
    """The kind of an event that is let be, for the metric."""
    return next((each for each in LET_BE if each in name), "other")


def read_object(body: bytes) -> dict[str, Any]:
    """Any JSON object.

    :raises Refusal: it is not one.
    """
    try:
        return _OBJECT.validate_json(body)
    except ValidationError as error:
        raise malformed(error) from None


def section(body: Body, *path: str) -> Body:
    """The object at ``path``, empty when absent.

    :raises Refusal: something else is there.
    """
    at = body
    for depth, name in enumerate(path, 1):
        value = at.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise Refusal(Reason.MALFORMED, "/" + "/".join(path[:depth]))
        at = value
    return at


def identifier(value: object, field: str) -> str | None:
    """An id, which may come as a number or a string.

    :raises Refusal: it is neither.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise Refusal(Reason.MALFORMED, field)
    return str(value)


def first_identifier(*candidates: tuple[object, str]) -> str | None:
    """The first id that is there."""
    return next((found for value, field in candidates if (found := identifier(value, field)) is not None), None)


def version_of(value: object, field: str) -> int | None:
    """A page version: a number, digits, or an object with a ``number``.

    :raises Refusal: it is none of these, or not from 1 up.
    """
    if isinstance(value, dict):
        value = value.get("number")
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 1 << 31:
        raise Refusal(Reason.MALFORMED, field)
    return value


_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_ACCOUNT: TypeAdapter[str] = TypeAdapter(AccountId)


def account(*candidates: object) -> str | None:
    """The first candidate that names a person; anonymous and unknown people are no one."""
    for value in candidates:
        if isinstance(value, str) and value:
            try:
                return _ACCOUNT.validate_python(value)
            except ValidationError:
                continue
    return None


def milliseconds(value: object, field: str) -> datetime | None:
    """A moment in milliseconds since 1970.

    :raises Refusal: it is not one.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1 << 47:
        raise Refusal(Reason.MALFORMED, field)
    return datetime.fromtimestamp(value / 1000, UTC)


def iso(value: object, field: str) -> datetime | None:
    """A moment in ISO 8601; without a zone it is UTC.

    :raises Refusal: it is not one.
    """
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Refusal(Reason.MALFORMED, field)
