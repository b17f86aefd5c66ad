"""structlog and the standard library's logging through one chain; only declared keys leave the process."""

import logging
import sys
from typing import Any

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor

KEYS = frozenset({
    "event", "level", "logger", "timestamp", "service", "trace_id", "span_id", "exception",
    "site_id", "space_id", "page_id", "workflow_id", "command_id", "record", "topic", "partition", "offset",
    "reason", "kind", "count", "seconds", "group", "sink", "address", "port", "error", "status", "process",
    "position", "run_id",
})
"""Every key a log record may carry: identifiers, numbers and reasons, never what people wrote."""


def declared_only(_: Any, __: str, record: EventDict) -> EventDict:
    """Drop whatever is not declared, so that no caller can leak by accident."""
    return {key: value for key, value in record.items() if key in KEYS or key.startswith("_")}


def safe_exception(_: Any, __: str, record: EventDict) -> EventDict:
    """Say which exception and where, without its text: texts may quote what people wrote."""
    info = record.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[1] is not None:
        frame = info[2]
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f" at {frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame is not None else ""
        record["exception"] = f"{type(info[1]).__name__}{where}"
    return record


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
        foreign_pre_chain=chain, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("aiokafka", "faststream", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
