"""A site on which somebody stands in each role, and each command as that person would ask for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from services.command.requests import Asked, Endpoint
from services.local.issuer import LocalIssuer
from services.rules.authorisation import Role
from shared.clock import now
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.commands import SiteCommand
from shared.contracts.workflow import AccountApprover, Definition, GroupApprover, Step
from shared.contracts.workflow import Any as AnyRule
from tests.doors import doors
from tests.integration.console_data import Data

SPACE, WORKFLOW, PAGE, FRESH_PAGE = "10", "wf-1", "900", "901"
PEOPLE = {
    Role.STRANGER: "stranger", Role.APPROVER: "approver", Role.MEMBER: "member", Role.LATER_APPROVER: "later", Role.OWNER: "owner",
    Role.SPACE_ADMIN: "admin", Role.STALE_MEMBER: "member", Role.STALE_OWNER: "owner", Role.STALE_ADMIN: "admin",
    Role.OPERATOR: "operator", Role.ELSEWHERE: "everything",
}
STALE = frozenset({Role.STALE_MEMBER, Role.STALE_OWNER, Role.STALE_ADMIN})
DEFINITION = Definition(name="Review", owners=("owner", "everything"), steps=(
    Step(name="one", approvers=(*(AccountApprover(id=i) for i in ("approver", "everything")), GroupApprover(id="g1")), rule=AnyRule()),
    Step(name="two", approvers=(AccountApprover(id="later"),), rule=AnyRule()),
))
_PLACES = {
    "workflow_id": WORKFLOW, "scope": "space", "scope_id": SPACE, "page_id": FRESH_PAGE, "approval_id": f"{PAGE}-1", "group_id": "g1",
    "space_id": SPACE,
}


@dataclass(frozen=True)
class Attempt:
    """Somebody in a role asks for a command about what is on ``site``; their token is of ``own``."""

    endpoint: Endpoint
    role: Role
    site: str
    own: str

    @classmethod
    def of(cls, endpoint: Endpoint, role: Role) -> "Attempt":
        """On a site of its own."""
        site = f"site-{uuid4().hex[:10]}"
        return cls(endpoint, role, site, f"{site}-else" if role is Role.ELSEWHERE else site)

    async def prepare(self, data: Data, moment: datetime) -> None:
        """The site: a workflow, a page whose approval is at its first step, and facts of today or of last week."""
        read_at = moment - timedelta(days=7 if self.role in STALE else 0)
        await data.space(read_at, ["admin", "everything"], SPACE, self.site)
        await data.group(read_at, ["member"], "g1", self.site)
        owned = {"owners": ["owner", "everything"], "owners_read_at": read_at}
        await data.workflow(DEFINITION, self.site, workflow_id=WORKFLOW, space_id=SPACE, **owned)
        await data.page(PAGE, self.site, workflow_id=WORKFLOW, space_id=SPACE)
        for site in {self.site, self.own}:
            await data._insert("directory.site", {"site_id": site, "licence_active": True, "licence_read_at": moment - timedelta(days=8)})

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return self.endpoint.path.format(**_PLACES)

    def body(self) -> Mapping[str, Any] | None:
        """What is asked for, on the site that has it."""
        read_at = (now() + timedelta(seconds=1)).isoformat()
        definition = DEFINITION.model_dump(mode="json")
        bodies: dict[str, dict[str, Any]] = {
            "NewWorkflow": {"space_id": SPACE, "definition": definition}, "NextDefinition": {"definition": definition},
            "NewApproval": {"page_version": 7, "space_id": SPACE, "workflow_id": WORKFLOW},
            "NewDecision": {"page_version": 7, "verdict": "approve"},
            "Members": {"members": ["ann"], "read_at": read_at}, "Admins": {"admins": ["ann"], "read_at": read_at},
            "Owners": {"owners": ["ann"], "read_at": read_at}, "SiteLicence": {"active": True, "read_at": read_at},
            "Release": {"key": f"{self.site}:{PAGE}"},
        }
        return bodies.get(self.endpoint.body.__name__)

    def authorization(self, issuer: LocalIssuer) -> str:
        """The header that says who asks."""
        if self.role is Role.OPERATOR:
            return f"OpenID {issuer.identity(self.own, PEOPLE[self.role], operator=True)}"
        if self.role is Role.VIEWER:
            return f"Bearer {doors(issuer)[0].token(principal=..., context={'cloudId': self.own, 'extension': {'type': 'macro'}})}"
        return f"Bearer {issuer.forge(self.own, PEOPLE.get(self.role))}"

    def caller(self) -> Caller:
        """Who that header proves it to be."""
        operator = self.role is Role.OPERATOR
        return Caller(
            channel=Channel.CONSOLE if operator else Channel.FORGE, environment=Environment.PRODUCTION, operator=operator,
            licence=Licence.UNKNOWN if operator else Licence.ACTIVE, account_id=PEOPLE.get(self.role), app=self.role is Role.APP,
        )

    def command(self) -> SiteCommand:
        """What the service would put on the log, if it let it pass."""
        asked = Asked(self.own, self.caller(), _in_path(self.endpoint.path), uuid4(), None, "0" * 32)
        return self.endpoint.build(asked, self.endpoint.body.model_validate(self.body() or {}))


def _in_path(path: str) -> dict[str, str]:
    return {name: value for name, value in _PLACES.items() if f"{{{name}}}" in path}
