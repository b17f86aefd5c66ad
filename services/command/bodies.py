"""Pure: what the REST API accepts as bodies. Unknown fields are refused."""

from pydantic import Field

from shared.contracts.base import AccountId, Command, Moment, ObjectId, PageVersion, Text
from shared.contracts.commands import Verdict
from shared.contracts.workflow import Definition


class NewWorkflow(Command):
    """A workflow for a space."""

    space_id: ObjectId
    definition: Definition


class NextDefinition(Command):
    """A workflow's next definition."""

    definition: Definition


class Nothing(Command):
    """No body is needed."""


class NewApproval(Command):
    """Which version of the page to approve; without a workflow, by the one assigned."""

    page_version: PageVersion
    space_id: ObjectId
    workflow_id: ObjectId | None = None


class NewDecision(Command):
    """A verdict on the version that was looked at; a rejection needs a comment."""

    page_version: PageVersion
    verdict: Verdict
    comment: Text | None = None


class Members(Command):
    """Who is in a group, and when that was read."""

    members: tuple[AccountId, ...] = Field(max_length=10_000)
    read_at: Moment


class Admins(Command):
    """Who administers a space, and when that was read."""

    admins: tuple[AccountId, ...] = Field(max_length=10_000)
    read_at: Moment


class Owners(Command):
    """Who owns a workflow, and when that was read."""

    owners: tuple[AccountId, ...] = Field(max_length=100)
    read_at: Moment


class Release(Command):
    """The key whose records are to be handled again; with ``set_aside``, but for the first, which can never be read."""

    key: str = Field(max_length=2000, pattern=r"^[^\x00]*$")
    set_aside: bool = False


class SiteLicence(Command):
    """Whether the site's licence is active, and when that was read."""

    active: bool
    read_at: Moment
