"""Instruments of this service. Labels come from closed lists only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi.exceptions import RequestValidationError
from opentelemetry import metrics

from shared.contracts.reasons import Reason
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
