"""One trace through every hop: whoever handles a batch adds a span for each record that is traced, where its sender left off.

A batch has a span of its own, which begins a trace: it has many senders. It links to each record's, has an event for each,
and is linked from each. Records that are not traced cost a look at a flag.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from opentelemetry import propagate, trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer

Attributes = Mapping[str, str | int]
_SAMPLED = frozenset("13579bdf")
"""How a header ends whose sampled flag is set: the last bit of its last byte, others beside it or not."""


class Kind(NamedTuple):
    """A kind of span, declared once beside the instruments of its service. That of a batch adds the word to the name."""

    name: str
    description: str


def moment() -> int:
    """Now, as spans count time: nanoseconds since the epoch."""
    return time.time_ns()


def sent() -> str | None:
    """The header for what is sent within the present span."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def header(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """The header that a record came with."""
    return next((value.decode(errors="replace") for name, value in headers if name == "traceparent"), None)


def batch(
    tracer: Tracer, kind: Kind, began: int, senders: Sequence[str | None], describe: Callable[[int], Attributes],
) -> Sequence[str | None]:
    """Tell of a batch handled since ``began``; returns, for each record, the header for what follows from it.

    ``senders`` are the headers that the records came with; ``describe`` gives ids and reasons of one, by its place.
    """
    traced = {n: context for n, header in enumerate(senders) if (context := _sender(header)) is not None}
    if not traced:
        return senders
    links, count = [Link(context) for context in traced.values()], {"messaging.batch.message_count": len(senders)}
    whole = tracer.start_span(f"{kind.name} batch", _NOBODY, SpanKind.CONSUMER, count, links, start_time=began)
    following = list(senders)
    for place, context in traced.items():
        following[place] = _one(tracer, kind.name, began, context, describe(place), whole)
    whole.end()
    return following


_NOBODY = trace.set_span_in_context(trace.INVALID_SPAN)


def _one(tracer: Tracer, name: str, began: int, sender: SpanContext, attributes: Attributes, whole: Span) -> str:
    parent, links = trace.set_span_in_context(trace.NonRecordingSpan(sender)), [Link(whole.get_span_context())]
    span = tracer.start_span(name, parent, SpanKind.CONSUMER, dict(attributes), links, start_time=began)
    whole.add_event(name, dict(attributes))
    span.end()
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _sender(header: str | None) -> SpanContext | None:
    """The span a record was sent in, if it is traced."""
    if header is None or header[-1:] not in _SAMPLED:
        return None
    context = trace.get_current_span(propagate.extract({"traceparent": header})).get_span_context()
    return context if context.is_valid and context.trace_flags.sampled else None
