"""What a process writes on standard error, whatever is logged and whatever goes wrong."""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, TraceFlags, TraceState

from shared.logs import UNTOLD
from shared.spans import DeclaredOnly

ROOT = Path(__file__).parents[2]
WORDS = "the zebra crosses"
CONFIGURED = """
import asyncio, logging, os, sys, threading, warnings
import structlog
from shared import logs
logs.configure("test", as_json=True)
log = structlog.get_logger()
WORDS = "the zebra crosses"
"""


def run(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A process of its own, since what is configured is the process's."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)  # noqa: S603 - ours


def records(script: str, **environment: str) -> list[dict[str, Any]]:
    """Everything that a process logs which runs this; it writes nothing else, and never those words."""
    done = run(CONFIGURED + dedent(script), environment)
    assert WORDS not in done.stderr + done.stdout
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(("call", "left"), [
    ('log.info("said", title=WORDS)', {}),
    ('log.info("said", _title=WORDS)', {}),
    ('log.info("said", reason=WORDS)', {"reason": "str"}),
    ('log.info("said", error=ValueError(WORDS))', {"error": "ValueError"}),
    ('log.info("said", kind=[WORDS])', {"kind": "list"}),
    ('log.info("said", exception=WORDS)', {}),
    ('log.info("said", stack_info=True)', {}),
    ('log.info("said", service=WORDS, level=WORDS, logger=WORDS, timestamp=WORDS)', {}),
    ('structlog.contextvars.bind_contextvars(title=WORDS); log.info("said")', {}),
    ('log.info("said", site_id="site-1", count=2, seconds=0.5, status="ok")',
     {"site_id": "site-1", "count": 2, "seconds": 0.5, "status": "ok"}),
])
def test_only_declared_keys_with_plain_values_are_written(call: str, left: dict[str, Any]) -> None:
    [record] = records(call)
    named = {key: record.pop(key) for key in ("event", "service", "level", "logger")}
    assert named == {"event": "said", "service": "test", "level": "info", "logger": "__main__"}
    assert record.pop("timestamp").endswith("Z")
    assert record == left


def test_an_exception_says_what_it_is_and_where_and_not_its_text() -> None:
    [record] = records("""
        try:
            raise ValueError(WORDS) from KeyError(WORDS)
        except ValueError:
            log.exception("failed")
    """)
    assert record["event"] == "failed"
    assert re.fullmatch(r"ValueError at __main__:\d+", record["exception"])


def test_the_last_place_of_ours_is_named_beside_that_of_a_library() -> None:
    [record] = records("""
        from shared.keys import KeySource
        try:
            asyncio.run(KeySource(WORDS, None)._read())
        except Exception:
            log.exception("failed")
    """)
    assert ", from shared.keys:" in record["exception"]


@pytest.mark.parametrize("raising", [
    "raise ValueError(WORDS)",
    "threading.Thread(target=lambda: [][WORDS]).start()",
    """
        class Bad:
            def __del__(self):
                raise ValueError(WORDS)
        Bad()
    """,
    "warnings.warn(WORDS)",
    'logging.getLogger("lib").warning(WORDS)',
    'logging.getLogger("lib").warning("of %s", WORDS)',
    'logging.getLogger("lib").error(ValueError(WORDS))',
    'logging.getLogger("lib").error("of", exc_info=ValueError(WORDS), stack_info=True, extra={"title": WORDS})',
    """
        async def bad():
            raise ValueError(WORDS)
        async def forget():
            asyncio.ensure_future(bad())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        asyncio.run(forget())
    """,
    """
        async def hand_over():
            asyncio.get_running_loop().call_exception_handler({"message": WORDS, "exception": ValueError(WORDS)})
        asyncio.run(hand_over())
    """,
])
def test_nothing_goes_past_the_chain(raising: str) -> None:
    [record] = records(raising)
    assert record["service"] == "test"
    assert record["level"] in {"warning", "error", "critical"}


def test_a_log_call_that_does_not_fit_its_own_sentence_is_no_way_out() -> None:
    assert len(records('logging.getLogger("lib").warning("%d %d", WORDS)')) == 1


def test_headers_that_opentelemetry_complains_of_are_not_quoted() -> None:
    said = records("""
        from opentelemetry.trace import TraceState
        TraceState.from_header([WORDS, f"a={WORDS}{chr(1)}"])
        from opentelemetry.baggage.propagation import W3CBaggagePropagator
        W3CBaggagePropagator().extract({"baggage": f"{WORDS},{WORDS}=1"})
    """)
    assert said
    assert all(record["logger"].startswith("opentelemetry") for record in said)


def test_a_library_is_heard_where_its_sentence_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "lib.py").write_text(dedent("""
        import logging
        def speak(words):
            logging.getLogger("lib").warning("it has %s "
                                             "of those", words)
            logging.getLogger("lib").warning(f"it has {words}")
    """))
    own, made = records("import lib; lib.speak(WORDS)", PYTHONPATH=str(tmp_path))
    assert (own["event"], own["place"]) == ("it has %s of those", "lib:4")
    assert (made["event"], made["place"]) == (UNTOLD, "lib:6")


def test_a_bad_setting_is_not_quoted() -> None:
    [record] = records("""
        from shared.settings import CallerSettings
        CallerSettings()
    """, APPROVALFLOW_ENCRYPTION_KEY=WORDS, APPROVALFLOW_DATABASE=WORDS)
    assert record["exception"].startswith("ValidationError")
    done = run("from shared.settings import CallerSettings; CallerSettings()", {"APPROVALFLOW_ENCRYPTION_KEY": WORDS})
    assert "ValidationError" in done.stderr
    assert WORDS not in done.stderr


def test_a_record_within_a_trace_names_it() -> None:
    outside, inside = records("""
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        log.info("said")
        with TracerProvider().get_tracer("test").start_as_current_span("x") as span:
            logging.getLogger("lib").warning("said")
    """)
    assert not {"trace_id", "span_id"} & outside.keys()
    assert (len(inside["trace_id"]), len(inside["span_id"])) == (32, 16)


def exported() -> ReadableSpan:
    """A span that carries those words wherever it can, as it leaves."""
    kept, state = InMemorySpanExporter(), TraceState([("a", WORDS)])
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(DeclaredOnly(kept)))
    elsewhere = SpanContext(1, 2, True, TraceFlags(1), state)
    with (
        contextlib.suppress(ValueError),
        provider.get_tracer("test").start_as_current_span(
            "GET /v1/approvals", attributes={"http.route": "/v1/approvals", "url.query": f"jwt={WORDS}", "url.path": WORDS},
            links=[Link(elsewhere, {"title": WORDS})],
        ) as span,
    ):
        span.add_event("GET", {"messaging.kafka.offset": 7, "title": WORDS})
        raise ValueError(WORDS)
    [left] = kept.get_finished_spans()
    return left


def test_a_span_leaves_with_declared_attributes_only() -> None:
    span = exported()
    assert WORDS not in span.to_json()
    assert span.attributes == {"http.route": "/v1/approvals"}
    assert [(event.name, event.attributes) for event in span.events] == [
        ("GET", {"messaging.kafka.offset": 7}), ("exception", {"exception.type": "ValueError"})]
    assert span.status.description is None
    [link] = span.links
    assert (link.context.span_id, len(link.context.trace_state), link.attributes) == (2, 0, {})
