"""What the system tells of itself: every metric, span and log event, read from the code that tells it."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from services.cli.labels import recorded
from services.cli.sources import calls, files, tree

EVERY = "every service"
PACKAGES = {
    "command": "services/command", "decision": "services/decision", "audit-fanout": "services/audit_fanout",
    "retention": "services/retention", "console": "services/console", EVERY: "shared",
}
"""Where each service is, in the order the data flows."""
_MAKERS = {"create_counter": "counter", "create_histogram": "histogram", "create_gauge": "gauge", "Gauge": "gauge"}
_RECORD = {"counter": "add", "histogram": "record", "gauge": "set"}
_LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
_LOGGERS = {"structlog.get_logger()", "log"}


class Metric(NamedTuple):
    """An instrument; ``name`` is what Prometheus finds it under, ``samples`` are the names of all its series."""

    service: str
    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    meaning: str
    samples: frozenset[str]


class Span(NamedTuple):
    """A kind of span; one of a record is linked with its batch's, of the same name and the word batch."""

    service: str
    name: str
    meaning: str


class LogEvent(NamedTuple):
    """What a service may log, and the keys it has beside those of every record."""

    service: str
    text: str
    level: str
    keys: tuple[str, ...]


class _Declared(NamedTuple):
    service: str
    variable: str
    kind: str
    name: str
    unit: str
    description: str


def metrics() -> list[Metric]:
    """Every instrument."""
    declared = list(_declared())
    return [
        Metric(
            each.service, family.name + ("_total" if each.kind == "counter" else ""), each.kind, each.unit.strip("{}"),
            tuple(sorted(recorded(each.variable, PACKAGES[each.service], PACKAGES[EVERY]))), each.description,
            frozenset(sample.name for sample in family.samples),
        )
        for each, family in zip(declared, _served(declared), strict=True)
    ]


def spans() -> list[Span]:
    """Every kind of span."""
    return [
        Span(service, *map(ast.literal_eval, call.args))
        for service, _, maker, call in _made() if maker == "Kind"
    ]


def log_events() -> list[LogEvent]:
    """Every sentence of the log, once for each service and level."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for service, package in PACKAGES.items():
        for path in files(package):
            for text, level, keys in _logged(path):
                found.setdefault((service, text, level), {}).update(dict.fromkeys(keys))
    return [LogEvent(*event, tuple(keys)) for event, keys in found.items()]


def _made() -> Iterator[tuple[str, str, str, ast.Call]]:
    """What is assigned at the top of each ``metrics.py``: service, variable, maker, call."""
    for service, package in PACKAGES.items():
        for node in tree(Path(package, "metrics.py")).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=variable)], value=ast.Call(func=function) as call):
                    yield service, variable, ast.unparse(function).rpartition(".")[2], call


def _declared() -> Iterator[_Declared]:
    for service, variable, maker, call in _made():
        if maker in _MAKERS:
            [name] = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            said = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
            yield _Declared(service, variable, _MAKERS[maker], str(name), said["unit"], said["description"])


def _served(declared: Sequence[_Declared]) -> list[Family]:
    """What the exporter makes of them, which has its own idea of names."""
    registry = CollectorRegistry()
    provider = MeterProvider([PrometheusMetricReader(disable_target_info=True, registry=registry)], shutdown_on_exit=False)
    meter = provider.get_meter("reference")
    for each in declared:
        instrument = getattr(meter, f"create_{each.kind}")(each.name, each.unit, each.name)
        getattr(instrument, _RECORD[each.kind])(1)
    families = {family.documentation: family for family in registry.collect()}
    provider.shutdown()
    return [families[each.name] for each in declared]


def _logged(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Text, level and keys of each call of a logger."""
    for call, level in calls(path):
        if level in _LEVELS and ast.unparse(call.func).rpartition(".")[0] in _LOGGERS:
            keys = [str(keyword.arg).replace("exc_info", "exception") for keyword in call.keywords]
            raised = level == "exception"
            yield ast.literal_eval(call.args[0]), "error" if raised else level, [*keys, "exception"] if raised else keys
