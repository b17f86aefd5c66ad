"""Who may do what, in one place: for each command, whom it is open to, and what everybody else is told.

The guards say the same in the order that they look at things; that they say it is tested for each role and command.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.contracts import commands as c
from shared.contracts.reasons import Reason


class Role(StrEnum):
    """How a caller with a good token stands to what a command is about."""

    STRANGER = "a person of the site"
    APPROVER = "an approver of the active step, by name"
    MEMBER = "an approver of the active step, through a group"
    LATER_APPROVER = "an approver of another step"
    OWNER = "an owner of the workflow"
    SPACE_ADMIN = "an admin of the space"
    STALE_MEMBER = "a member of the group, by facts too old"
    STALE_OWNER = "an owner of the workflow, by facts too old"
    STALE_ADMIN = "an admin of the space, by facts too old"
    OPERATOR = "a person who runs the system"
    APP = "the app itself"
    VIEWER = "a visitor who is not signed in"
    ELSEWHERE = "an admin of that space, owner of that workflow and approver of that step on another site"


NOBODY = frozenset({Role.APP, Role.VIEWER})
"""No person stands behind these."""
PEOPLE = frozenset(Role) - NOBODY - {Role.ELSEWHERE}


@dataclass(frozen=True, slots=True)
class Rule:
    """One command: who may, whose facts are too old to tell, and what the rest hears, here and on another site."""

    may: frozenset[Role]
    stale: frozenset[Role] = frozenset()
    otherwise: Reason = Reason.NOT_PERMITTED
    elsewhere: Reason = Reason.NOT_PERMITTED

    def refusal(self, role: Role) -> Reason | None:
        """Why somebody in this role may not, or None."""
        if role in self.may:
            return None
        if role in self.stale:
            return Reason.FACTS_STALE
        if role is Role.ELSEWHERE:
            return self.elsewhere
        return Reason.NOT_PERMITTED if role in NOBODY else self.otherwise


_CREATORS = Rule(frozenset({Role.SPACE_ADMIN}), frozenset({Role.STALE_ADMIN}))
_OWNERS = Rule(
    frozenset({Role.OWNER, Role.SPACE_ADMIN}), frozenset({Role.STALE_OWNER, Role.STALE_ADMIN}), elsewhere=Reason.NOT_FOUND,
)
_APPROVERS = Rule(
    frozenset({Role.APPROVER, Role.MEMBER}), frozenset({Role.STALE_MEMBER}), Reason.NOT_AN_APPROVER, Reason.NOT_FOUND,
)
_ANYBODY = Rule(PEOPLE, elsewhere=Reason.NOT_FOUND)
_THE_APP = Rule(frozenset({Role.APP}))

RULES: Mapping[type[c.SiteCommand], Rule] = {
    c.CreateWorkflow: _CREATORS,
    c.ChangeWorkflow: _OWNERS,
    c.ArchiveWorkflow: _OWNERS,
    c.AssignWorkflow: _OWNERS,
    c.SubmitApproval: _ANYBODY,
    c.RecordDecision: _APPROVERS,
    c.ResetApproval: _OWNERS,
    c.CancelApproval: _OWNERS,
    c.RecordGroupMembers: _THE_APP,
    c.RecordSpaceAdmins: _THE_APP,
    c.RecordWorkflowOwners: _THE_APP,
    c.SetLicence: _THE_APP,
    c.ReleaseQuarantine: Rule(frozenset({Role.OPERATOR})),
}
"""Every command that may be asked for from outside."""
