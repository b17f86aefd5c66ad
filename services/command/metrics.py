"""Instruments of this service. Labels come from closed lists only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace

from shared.contracts.base import Channel
from shared.contracts.reasons import Reason
from shared.metrics import Gauge
from shared.problems import Refusal
from shared.tokens import Unauthenticated
from shared.tracing import Kind

tracer = trace.get_tracer("approvalflow.command")
_meter = metrics.get_meter("approvalflow.command")
ADMISSIONS = _meter.create_counter(
    "approvalflow.command.admissions",
    unit="{request}",
    description="Requests by channel, outcome and reason.",
)
WEBHOOKS = _meter.create_counter(
    "approvalflow.command.webhooks",
    unit="{event}",
    description="Confluence events by channel and kind.",
)
ADMISSION = _meter.create_histogram(
    "approvalflow.command.admission.duration",
    unit="s",
    description="From the request to its acceptance or refusal.",
)
PUBLISH = _meter.create_histogram(
    "approvalflow.command.publish.duration",
    unit="s",
    description="From publishing to the broker's acknowledgement.",
)
UNCLAIMED = _meter.create_counter(
    "approvalflow.command.unclaimed",
    unit="{command}",
    description="Commands accepted without a claim of their key, since the database was away.",
)
DATABASE_FAILURES = _meter.create_counter(
    "approvalflow.command.database.failures",
    unit="{failure}",
    description="How often the database did not answer, by error.",
)
IN_FLIGHT = Gauge(
    _meter,
    "approvalflow.command.in_flight",
    unit="{request}",
    description="Requests being admitted.",
)
BACKLOG = _meter.create_gauge(
    "approvalflow.command.backlog",
    unit="{record}",
    description="Records of the log that wait for decision.",
)
BACKLOG_LIMIT = _meter.create_gauge(
    "approvalflow.command.backlog.limit",
    unit="{record}",
    description="How many may wait before what would add to them is refused.",
)
REPEATS = _meter.create_counter(
    "approvalflow.command.repeated_refusals",
    unit="{time}",
    description="Times one actor was refused again and again with hardly a pause: a script gone wrong, or someone trying doors.",
)
STALLS = _meter.create_counter(
    "approvalflow.command.stalls",
    unit="{stall}",
    description="Times the consumer of replies fell silent, each of which ended the process.",
)
PUBLISH_COMMAND = Kind("approvalflow.intake.v1 publish", "A command or fact put on the log, to the broker's acknowledgement.")
RECEIVE = Kind("approvalflow.replies.v1 receive", "An outcome that a caller may wait for.")

_ALERTED = (Reason.UNAUTHENTICATED, Reason.NOT_PERMITTED, Reason.NOT_FOUND, Reason.SITE_MISMATCH)


def begin() -> None:
    """Show zero of what is alerted on by its increase, which does not see the first of a counter that was not there."""
    REPEATS.add(0)
    for channel in (Channel.FORGE, Channel.CONNECT, Channel.DATA_CENTER):
        for reason in _ALERTED:
            ADMISSIONS.add(0, {"channel": channel.value, "outcome": "refused", "reason": reason.value})


class Admitted:
    """What became of a request; set before its measurement ends."""

    outcome = "failed"
    reason = "none"


@contextmanager
def admission(channel: str) -> Iterator[Admitted]:
    """Measure one request."""
    began, admitted = time.perf_counter(), Admitted()
    try:
        yield admitted
    except Unauthenticated:
        admitted.outcome, admitted.reason = "refused", Reason.UNAUTHENTICATED
        raise
    except Refusal as refusal:
        admitted.outcome, admitted.reason = "refused", refusal.reason
        raise
    finally:
        labels = {"channel": str(channel), "outcome": admitted.outcome}  # a member of an enumeration would be a series of its own
        ADMISSION.record(time.perf_counter() - began, labels)
        ADMISSIONS.add(1, labels | {"reason": str(admitted.reason)})
