"""What schemathesis cannot guess: the one space that somebody administers, with a workflow in use for all pages, of which there is one
version; and that each command has a key of its own."""

from typing import Any
from uuid import uuid4

import schemathesis

from tests.e2e.site import SPACE


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """What there is, where it is asked for."""
    if isinstance(body, dict):
        there = {"space_id": SPACE, "page_version": 1, "workflow_id": None}
        body |= {name: value for name, value in there.items() if name in body}
    return body


@schemathesis.hook
def map_headers(_context: Any, headers: Any) -> Any:
    """Under a key of its own, about whatever version there is."""
    return {"Idempotency-Key": str(uuid4())} | {name: value for name, value in (headers or {}).items() if name == "Content-Type"}
