"""What goes out for each outcome: its event, a reply if one was asked for, and the commands it gave rise to.

All of it is derived from what is stored, so that a redelivered command publishes the same bytes with the same ids.
"""

import json
from collections.abc import Iterator, Sequence

from services.decision import metrics
from services.decision.domain.batch import Item, Stored, follow_up_id
from services.decision.engine import Settled
from shared import tracing
from shared.contracts.envelope import headers
from shared.contracts.replies import Outcome
from shared.contracts.topics import EVENTS, INTAKE, REPLIES
from shared.kafka import Outgoing

SOURCE = "approvalflow/decision"


def tell(began: int, settled: Settled) -> Sequence[str | None]:
    """Trace a part handled since ``began``; returns the header that each outcome is told with."""
    def describe(place: int) -> tracing.Attributes:
        item, stored = settled[place]
        return {
            "messaging.destination.name": item.topic, "messaging.destination.partition.id": str(item.partition),
            "messaging.kafka.offset": item.offset, "approvalflow.command_id": str(stored.command_id),
            "approvalflow.outcome": stored.reason or "applied",
        }

    return tracing.batch(metrics.tracer, metrics.DECIDE, began, [item.envelope.traceparent for item, _ in settled], describe)


def messages(settled: Settled, traced: Sequence[str | None]) -> Iterator[Outgoing]:
    """All that tells of these outcomes."""
    for (item, stored), traceparent in zip(settled, traced, strict=True):
        yield from outgoing(item, stored, traceparent)


def outgoing(item: Item, stored: Stored, traceparent: str | None) -> Iterator[Outgoing]:
    """The messages that tell of one outcome, within the trace given. The event goes to the partition its command came from."""
    key, envelope = item.key.encode(), item.envelope
    event = EVENTS.routes[stored.event_type]
    yield Outgoing(
        EVENTS.name, key, stored.event.encode(),
        headers(event.model, stored.command_id, stored.decided_at, SOURCE, traceparent=traceparent),
        item.partition,
    )
    if envelope.reply_partition is not None:
        yield Outgoing(
            REPLIES.name, key, reply(stored).model_dump_json(exclude_none=True).encode(),
            headers(Outcome, stored.command_id, stored.decided_at, SOURCE, traceparent=traceparent),
            envelope.reply_partition,
        )
    for position, (kind, value) in enumerate(json.loads(stored.follow_ups) if stored.follow_ups else ()):
        route = INTAKE.routes[kind]
        command = route.model.model_validate_json(value)
        if route.key is None:
            raise TypeError(f"{kind} has no key")
        yield Outgoing(
            INTAKE.name, route.key(command).encode(), value.encode(),
            headers(route.model, follow_up_id(stored.command_id, position), stored.decided_at, SOURCE,
                    traceparent=traceparent),
        )


def reply(stored: Stored) -> Outcome:
    """The outcome as its asker hears of it."""
    event = json.loads(stored.event)
    return Outcome.model_validate({
        "site_id": stored.site_id, "command_id": str(stored.command_id),
        "result": "applied" if stored.reason is None else "refused", "reason": stored.reason, "version": stored.version,
        "approval_id": event.get("approval_id"), "workflow_id": event.get("workflow_id"), "status": event.get("status"),
    })
