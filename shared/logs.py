"""structlog and the standard library's logging through one chain; only declared keys leave the process.

What people wrote cannot get into it: not under another key, not as a value that is no identifier, not in the text of an
exception, and not in what a library says or Python itself would print.
"""

import ast
import functools
import logging
import re
import sys
import threading
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor

KEYS = frozenset({
    "event", "level", "logger", "timestamp", "service", "trace_id", "span_id", "exception",
    "site_id", "space_id", "page_id", "workflow_id", "command_id", "record", "topic", "partition", "offset",
    "reason", "kind", "count", "seconds", "group", "sink", "address", "port", "error", "status", "process",
    "position", "run_id", "place", "actor_id",
})
"""Every key a log record may carry: identifiers, numbers and reasons, never what people wrote."""
UNTOLD = "said by a library"
"""Stands for a sentence that a library put together; ``place`` says where in its source."""
_SENTENCES = frozenset({"event", "exception"})
_META = frozenset({"_record", "_from_structlog"})
_PLAIN = re.compile(r"[\w.:@~+=/?-]{0,200}")


def declared_only(_: Any, __: str, record: EventDict) -> EventDict:
    """Drop whatever is not declared, so that no caller can leak by accident; of a value that is no identifier, keep the type."""
    return {
        key: value if key in _SENTENCES or key in _META else _plain(value)
        for key, value in record.items() if key in KEYS or key in _META
    }


def _plain(value: object) -> object:
    if value is None or isinstance(value, int | float) or (isinstance(value, str) and _PLAIN.fullmatch(value)):
        return value
    return type(value).__name__


def safe_exception(_: Any, __: str, record: EventDict) -> EventDict:
    """Say which exception and where, without its text: texts may quote what people wrote."""
    record.pop("exception", None)
    info = record.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[1] is not None:
        where = ", from ".join(_where(info[2]))
        record["exception"] = type(info[1]).__name__ + (f" at {where}" if where else "")
    return record


def _where(raised: TracebackType | None) -> list[str]:
    """Where it was raised, and the last place of ours on the way there."""
    places = [f"{frame.f_globals.get('__name__')}:{line}" for frame, line in traceback.walk_tb(raised)]
    ours = [place for place in places if place.startswith(("services.", "shared."))]
    return list(dict.fromkeys([*places[-1:], *ours[-1:]]))


def own_sentence(_: Any, __: str, record: EventDict) -> EventDict:
    """Keep what a library says only as it stands in its source: what fills it, or is put together, may quote what people wrote."""
    said: logging.LogRecord = record["_record"]
    if record["event"] not in _sentences(said.pathname):
        record["event"] = UNTOLD
    record["place"] = f"{said.module}:{said.lineno}"
    return record


@functools.lru_cache(maxsize=64)
def _sentences(path: str) -> frozenset[str]:
    """Every text that a module's source holds."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    return frozenset(node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _trace(_: Any, __: str, record: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        record["trace_id"], record["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return record


def configure(service: str, *, as_json: bool) -> None:
    """Send every record of this process, ours and the libraries', through one chain to standard error."""

    def named(_: Any, __: str, record: EventDict) -> EventDict:
        record["service"] = service
        return record

    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True), named, _trace, safe_exception, declared_only,
    ]
    renderer: Processor = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(), cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[own_sentence, *chain], use_get_message=False,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("aiokafka", "faststream", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    _take_over()


def _take_over() -> None:
    """Log what Python itself would print with the text of the exception or warning, or with the arguments of a bad log call."""
    log = structlog.get_logger()

    def ended(kind: type[BaseException], error: BaseException, raised: TracebackType | None) -> None:
        log.critical("ended by an exception", exc_info=(kind, error, raised))

    def thread_ended(args: threading.ExceptHookArgs) -> None:
        log.error("a thread was ended by an exception", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    def ignored(args: "sys.UnraisableHookArgs") -> None:
        log.error("an exception that nobody could catch", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    def warned(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,  # noqa: ARG001 - what is not told
        file: TextIO | None = None, line: str | None = None,  # noqa: ARG001
    ) -> None:
        log.warning("warned by a library", kind=category.__name__, place=f"{Path(filename).stem}:{lineno}")

    sys.excepthook, threading.excepthook, sys.unraisablehook = ended, thread_ended, ignored
    warnings.showwarning = warned
    logging.raiseExceptions = False
