"""The reference of signals, as a page."""

from collections.abc import Iterable, Iterator, Sequence

from services.cli import reference
from shared.contracts.reasons import DESCRIPTION
from shared.logs import UNTOLD
from shared.metrics import LABELS
from shared.spans import ATTRIBUTES

_INTRODUCTION = f"""\
# What the services tell of themselves

Written by `approvalflow documents` from the code; do not edit.

- Metrics are read at `/metrics` of each service. A histogram `x` is the series `x_bucket`, `x_count` and `x_sum`. FastAPI adds
  `http_server_request_duration_seconds` and `http_server_active_requests`, and the Prometheus client `process_*` and `python_*`.
- Spans leave over OTLP where `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Each request has one named by its method and route. A span
  of a record read from the log is linked with one of its batch, which has the same name and the word `batch`. What a span may
  carry: {", ".join(f"`{name}`" for name in sorted(ATTRIBUTES))}.
- Log records are on standard error. Each has `event` (the text), `level`, `logger`, `timestamp` and `service`, and `trace_id` and
  `span_id` where there is a trace. What a library logs is there as it stands in its source, or else as `{UNTOLD}`, with its
  `place` there.
"""


def page() -> str:
    """The whole page, in Markdown."""
    metrics, spans, events = reference.metrics(), reference.spans(), reference.log_events()
    parts = [_INTRODUCTION]
    for service in reference.PACKAGES:
        parts += [
            f"## {service}\n",
            _table(("metric", "kind", "unit", "labels", "meaning"), (
                (f"`{each.name}`", each.kind, each.unit, _names(each.labels), _sentence(each.meaning))
                for each in metrics if each.service == service
            )),
            _table(("span", "meaning"), ((f"`{each.name}`", _sentence(each.meaning)) for each in spans if each.service == service)),
            _table(("log event", "level", "keys"), (
                (each.text, each.level, _names(each.keys)) for each in events if each.service == service
            )),
        ]
    parts += ["## Labels of metrics\n", _table(("label", "values"), ((f"`{name}`", values) for name, values in LABELS.items()))]
    parts += ["## Reasons\n", _table(("reason", "HTTP status", "sentence"), (
        (f"`{reason}`", f"{status.value} {status.phrase}", sentence) for reason, (status, sentence) in DESCRIPTION.items()
    ))]
    return "\n".join(filter(None, parts))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; nothing without rows."""
    lines = list(_lines(rows))
    return "\n".join([*_lines([head, ["---"] * len(head)]), *lines, ""]) if lines else ""


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    return (f"| {' | '.join(row)} |" for row in rows)


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _sentence(text: str) -> str:
    return text.rstrip(".") + "."
