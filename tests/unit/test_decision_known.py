"""What is decided does not depend on where the log was cut into batches."""

from datetime import timedelta
from uuid import uuid4

from services.decision.domain.batch import Item, Seen, decide_batch
from services.decision.domain.known import Directory, Of, needs
from services.rules.state import Page, Space
from shared.contracts.envelope import Envelope
from shared.contracts.facts import PageChange
from tests.builders import DAVE, NOON, PAGE, SITE, SPACE, WORKFLOW, a_definition, a_fact, a_page, a_submission, a_workflow

OLDEST = NOON - timedelta(hours=24)
MESSAGES = (
    a_fact(PageChange.MOVED, page_version=None, space_id=SPACE),
    a_submission(workflow_id=None, space_id="elsewhere"),
)


def _directory(messages: list[object], pages: dict[Of, Page]) -> Directory:
    """Only what is asked for, as a database would give it."""
    wanted = needs(messages, pages)  # type: ignore[arg-type]
    assignments = {(SITE, "space", SPACE): WORKFLOW}
    return Directory(
        {(SITE, WORKFLOW, 1): a_definition()}, {(SITE, WORKFLOW): a_workflow()},
        {key: value for key, value in assignments.items() if key in wanted.assignments},
        {at: Space(None, frozenset({DAVE}), NOON) for at in wanted.spaces},
    )


def _decided(cut: int) -> list[str | None]:
    """Reasons, when the messages are read in two batches cut there."""
    pages: dict[Of, Page] = {(SITE, PAGE): a_page(space_id="old")}
    reasons: list[str | None] = []
    for part in (MESSAGES[:cut], MESSAGES[cut:]):
        items = [Item("t", 0, n, f"{SITE}:{PAGE}", Envelope(uuid4(), NOON, data)) for n, data in enumerate(part)]
        batch = decide_batch(items, Seen(pages, {}, _directory([i.data for i in items], pages)), OLDEST, NOON)
        pages |= {at: change.after for at, change in batch.changes.items()}
        reasons += [stored.reason for _, stored in batch.results]
    return reasons


def test_a_move_and_what_follows_it_mean_the_same_in_one_batch_and_in_two() -> None:
    assert _decided(0) == _decided(1) == _decided(2) == [None, None]
