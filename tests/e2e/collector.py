"""What an OTLP collector would get: an HTTP server that keeps the spans sent to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.local.receiver import receiving


class Span(NamedTuple):
    """One span as it was exported; ids in hex."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    events: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(slots=True)
class Collector:
    """The spans so far, and what they came in."""

    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Keep what one request holds."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            self.spans += [_span(service, span) for scope in resource.scope_spans for span in scope.spans]


def _span(service: str, span: Any) -> Span:
    links = tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links)
    attributes = {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
    return Span(service, span.name, span.kind, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), links,
                tuple(event.name for event in span.events), attributes)


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector for the length of the block, and its address."""
    collector = Collector()
    with receiving(lambda _, body: collector.take(body)) as address:
        yield collector, address
