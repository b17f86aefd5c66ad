"""What all messages are made of: frozen models and bounded, printable identifiers."""

from datetime import UTC, datetime
from enum import StrEnum
from operator import not_
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.contracts.reasons import Reason

SiteId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
"""One Confluence tenant: a cloudId, a Connect clientKey or a Data Center server id. No colon: it starts every key."""
ObjectId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~@+=-]{1,128}$")]
"""An opaque id of a page, space, workflow, group or approval."""


def _known(account: str) -> str:
    if account == "unknown":
        raise ValueError("not an account")
    return account


AccountId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._@-]{1,128}$"), AfterValidator(_known)]
"""A person; Confluence's ``unknown`` is never stored (vendor's user privacy guidelines)."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$", strip_whitespace=True)]
"""What a person wrote: bounded, and never logged, traced or put in a header."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]*$")]
PageVersion = Annotated[int, Field(ge=1, lt=1 << 31)]
"""Confluence's own version number of a page."""
ExpectedVersion = Annotated[int, Field(ge=0, lt=1 << 31)]
"""The version of our record that the caller saw."""


def _holdable(moment: datetime) -> datetime:
    if not datetime(1970, 1, 1, tzinfo=UTC) <= moment < datetime(9999, 1, 1, tzinfo=UTC):
        raise PydanticCustomError(Reason.TIME_OUT_OF_RANGE.value, "not a time that can be held")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_holdable)]
"""A time that every part of the system can hold, whatever its zone."""


class Command(BaseModel):
    """Something asked for. Refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Read(BaseModel):
    """Something that happened. Ignores fields a later writer may add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Environment(StrEnum):
    """Where an app is installed, from the verified token."""

    PRODUCTION = "production"
    OTHER = "other"


class Licence(StrEnum):
    """What the caller's token said of the licence; ``UNKNOWN`` when its platform carries none."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


class Channel(StrEnum):
    """How a message came to be trusted."""

    FORGE = "forge"
    CONNECT = "connect"
    DATA_CENTER = "data-center"
    CONSOLE = "console"
    SYSTEM = "system"


class Caller(Command):
    """What the verified token proved. Decided on by ``decision`` exactly as ``command`` saw it.

    ``account_id`` is None where no person stands behind the message; ``app`` is true when the
    upstream app itself speaks, which may push directory facts but never decide; ``operator`` when the
    person runs the system, which lets them release what waits in quarantine and nothing else.
    """

    channel: Channel
    environment: Environment
    licence: Licence
    account_id: AccountId | None = None
    app: bool = False
    operator: bool = Field(default=False, exclude_if=not_)  # said only where it is so: a reader may not know it yet


SYSTEM = Caller(channel=Channel.SYSTEM, environment=Environment.OTHER, licence=Licence.UNKNOWN)
"""The caller of commands that our own services issue."""
