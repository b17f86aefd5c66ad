"""What of a span leaves the process: names and declared attributes, never what a request or an exception says."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, Status
from opentelemetry.util.types import Attributes

ATTRIBUTES = frozenset({
    "http.request.method", "http.response.status_code", "http.route", "url.scheme", "network.protocol.version", "error.type",
    "exception.type", "messaging.batch.message_count", "messaging.destination.name", "messaging.destination.partition.id",
    "messaging.kafka.offset", "approvalflow.command_id", "approvalflow.outcome",
})
"""Every attribute that a span or an event of it may carry: of a request its route, not its path or its query, which may
hold a token or what people wrote."""


class DeclaredOnly(SpanExporter):
    """Hands each span on without whatever is not declared."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export what may leave."""
        return self._exporter.export([declared(span) for span in spans])

    def shutdown(self) -> None:
        """Export no more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until everything is exported."""
        return self._exporter.force_flush(timeout_millis)


def declared(span: ReadableSpan) -> ReadableSpan:
    """The span without attributes that are not declared, without a description of its status, without its callers' own state."""
    return ReadableSpan(
        span.name, _stateless(span.context), span.parent, span.resource, _only(span.attributes),
        [Event(event.name, _only(event.attributes), event.timestamp) for event in span.events],
        [Link(_stateless(link.context), _only(link.attributes)) for link in span.links],
        span.kind, status=Status(span.status.status_code), start_time=span.start_time, end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _only(attributes: Attributes) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name in ATTRIBUTES}


def _stateless(context: SpanContext) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)
