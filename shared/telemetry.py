"""OpenTelemetry providers for a process: instruments are read by Prometheus at ``/metrics``."""

import os

from fastapi.telemetry import TelemetryConfig
from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.spans import DeclaredOnly

HTTP: TelemetryConfig = {
    "operation_spans": False, "logs": False, "exclude": lambda scope: scope.get("path", "").startswith(("/health", "/metrics")),
}
"""What FastAPI tells of each request but probes: its span and its duration. Spans of its own steps cost more than they say, and what
it would log of an error may hold a person's words."""
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Bucket edges of every duration, in seconds."""


def configure(service: str) -> None:
    """Install the providers; call once, before instruments are used.

    Spans leave over OTLP where the environment names an endpoint, as OpenTelemetry's own variables say, sampled as they say.
    Without one nothing is recorded but what a caller's own trace asks to be carried on.
    """
    os.environ.setdefault("OTEL_PYTHON_EXPORTER_PROMETHEUS_DISABLE_TARGET_INFO", "true")
    propagate.set_global_textmap(TraceContextTextMapPropagator())  # nothing here reads a caller's baggage
    resource = Resource.create({"service.name": f"approvalflow-{service}"})
    trace.set_tracer_provider(_traces(resource))
    durations = View(instrument_type=Histogram, instrument_unit="s", aggregation=ExplicitBucketHistogramAggregation(SECONDS))
    metrics.set_meter_provider(
        MeterProvider(resource=resource, metric_readers=[PrometheusMetricReader()], views=[durations])
    )


def _traces(resource: Resource) -> TracerProvider:
    if not any(os.environ.get(name) for name in (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)):
        return TracerProvider(resource=resource, sampler=ParentBased(ALWAYS_OFF))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - 15 MB that most do without

    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(DeclaredOnly(OTLPSpanExporter())))
    return provider
