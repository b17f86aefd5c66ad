"""What became of one command, for the caller who waits."""

from typing import Literal

from shared.contracts.base import ObjectId, Read, SiteId
from shared.contracts.events import Status
from shared.contracts.reasons import Reason


class Outcome(Read):
    """The one outcome a command has, for ever."""

    site_id: SiteId
    command_id: str
    result: Literal["applied", "refused"]
    reason: Reason | None = None
    version: int = 0
    approval_id: ObjectId | None = None
    workflow_id: ObjectId | None = None
    status: Status | None = None
