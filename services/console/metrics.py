"""Instruments of this service. Labels come from closed lists only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi.exceptions import RequestValidationError
from opentelemetry import metrics

from shared.contracts.reasons import Reason
from shared.metrics import Gauge
from shared.problems import Refusal
from shared.tokens import Unauthenticated

_meter = metrics.get_meter("approvalflow.console")
READ = _meter.create_histogram(
    "approvalflow.console.read.duration",
    unit="s",
    description="From a request to its answer, by route and the reason it was refused for.",
)
LOOK = _meter.create_histogram(
    "approvalflow.console.look.duration",
    unit="s",
    description="Gathering one part of the operators' page, by part and whether it was available.",
)
GROUP_LAG = Gauge(
    _meter, "approvalflow.group.lag", unit="{record}",
    description="Records that wait for a consumer group that has begun, as the broker tells, whether or not anybody consumes now.",
)
QUARANTINE = Gauge(
    _meter, "approvalflow.quarantine.records", unit="{record}", description="Records in quarantine, by the service that put them there.",
)
QUARANTINE_AGE = Gauge(
    _meter, "approvalflow.quarantine.age", unit="s", description="How long the oldest of them has been there, by service.",
)
SITES = Gauge(
    _meter, "approvalflow.sites", unit="{site}", description="Sites by the licence last told of: active, inactive or unknown.",
)
FACTS = Gauge(
    _meter, "approvalflow.facts", unit="{fact}",
    description="Directory facts by kind (groups, admins) and whether they are fresh enough to allow anything.",
)


@contextmanager
def read(route: str) -> Iterator[None]:
    """Measure one request."""
    began, reason = time.perf_counter(), "none"
    try:
        yield
    except Unauthenticated:
        reason = Reason.UNAUTHENTICATED
        raise
    except RequestValidationError:
        reason = Reason.MALFORMED
        raise
    except Refusal as refusal:
        reason = refusal.reason
        raise
    except Exception:
        reason = Reason.UNAVAILABLE
        raise
    finally:
        READ.record(time.perf_counter() - began, {"route": route, "reason": str(reason)})


@contextmanager
def look(part: str) -> Iterator[None]:
    """Measure how long one part of the operators' page took."""
    began, available = time.perf_counter(), False
    try:
        yield
        available = True
    finally:
        LOOK.record(time.perf_counter() - began, {"part": part, "available": available})
