"""Commands about one workflow."""

from dataclasses import replace

import pytest

from services.decision.domain.workflow import decide
from services.rules.state import Workflow
from shared.contracts.commands import ArchiveWorkflow, AssignWorkflow, ChangeWorkflow, CreateWorkflow, WorkflowCommand
from shared.contracts.events import CommandRefused, WorkflowEvent
from shared.contracts.reasons import Reason
from tests.builders import ALICE, DAVE, NOON, SITE, SPACE, WORKFLOW, a_caller, a_cause, a_definition, a_workflow, known

COMMON = {"site_id": SITE, "workflow_id": WORKFLOW}


def _reason(command: WorkflowCommand, present: Workflow | None) -> Reason | None:
    event = decide(command, a_cause(command.caller.account_id), present, known(), NOON).event
    return event.reason if isinstance(event, CommandRefused) else None


@pytest.mark.parametrize("who", [ALICE, DAVE])
def test_only_owners_and_space_admins_change_a_workflow(who: str) -> None:
    caller, expected = a_caller(who), None if who == DAVE else Reason.NOT_PERMITTED
    assert _reason(CreateWorkflow(**COMMON, caller=caller, space_id=SPACE, definition=a_definition()), None) is expected
    for command in (
        ChangeWorkflow(**COMMON, caller=caller, definition=a_definition()),
        ArchiveWorkflow(**COMMON, caller=caller),
        AssignWorkflow(**COMMON, caller=caller, scope="space", scope_id=SPACE),
        AssignWorkflow(**COMMON, caller=caller, scope="page", scope_id="900"),
    ):
        assert _reason(command, a_workflow()) is expected


def test_a_workflow_is_assigned_to_no_space_but_its_own() -> None:
    elsewhere = AssignWorkflow(**COMMON, caller=a_caller(DAVE), scope="space", scope_id="elsewhere")
    assert _reason(elsewhere, a_workflow()) is Reason.NOT_PERMITTED


def test_a_change_is_the_next_version_and_an_archived_workflow_takes_none() -> None:
    change = ChangeWorkflow(**COMMON, caller=a_caller(DAVE), definition=a_definition(), expected_version=1)
    decided = decide(change, a_cause(DAVE), a_workflow(), known(), NOON)
    assert isinstance(decided.event, WorkflowEvent)
    assert (decided.event.version, decided.event.workflow_version) == (2, 2)
    assert _reason(change, replace(a_workflow(), version=2)) is Reason.VERSION_CONFLICT
    assert _reason(change, a_workflow(archived=True)) is Reason.WORKFLOW_ARCHIVED
