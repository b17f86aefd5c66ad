"""Errors over HTTP as problem details (RFC 9457), with one closed list of reasons. What was sent is never echoed."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import Problem
from fastapi_problem.handler import ExceptionHandler, add_exception_handler, new_exception_handler
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from shared.contracts.reasons import DESCRIPTION, Reason
from shared.tokens import Unauthenticated

MEDIA_TYPE = "application/problem+json"
BASE = "https://approvalflow.example/problems/"
"""Where a reason's page would be; the address is a name first of all."""
TITLE = {reason: reason.value.replace("_", " ").capitalize() for reason in Reason}


class Refusal(Problem):
    """Refused, with a reason from the closed list; ``field`` is a JSON pointer into the body or a header's name."""

    def __init__(
        self,
        reason: Reason,
        field: str | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        usual, sentence = DESCRIPTION[reason]
        extra = {"reason": reason.value} | ({"field": field} if field is not None else {})
        super().__init__(
            title=TITLE[reason],
            type_=BASE + reason.value,
            detail=sentence,
            status=status or int(usual),
            headers=dict(headers or _usual_headers(reason)),
            **extra,
        )
        self.reason = reason
        self.field = field


def _usual_headers(reason: Reason) -> dict[str, str]:
    if reason is Reason.UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": "1"} if reason is Reason.UNAVAILABLE else {}


def malformed(error: ValidationError | RequestValidationError, prefix: str = "") -> Refusal:
    """The refusal of what did not validate: where, as a JSON pointer, and nothing of what was there."""
    errors = error.errors(include_input=False, include_url=False) if isinstance(error, ValidationError) else error.errors()
    where = errors[0]["loc"] if errors else ()
    if errors and errors[0]["type"] == "extra_forbidden":
        where = where[:-1]  # its last part is the sender's own text
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in where)
    out_of_range = bool(errors) and errors[0]["type"] == Reason.TIME_OUT_OF_RANGE
    return Refusal(Reason.TIME_OUT_OF_RANGE if out_of_range else Reason.MALFORMED, (prefix + pointer)[:200])


def body_of(problem: Problem) -> bytes:
    """The document itself, for where no framework renders it."""
    return orjson.dumps(problem.marshal())


def _on_http(_: ExceptionHandler, __: Request, error: HTTPException) -> Problem:
    known = {HTTPStatus.NOT_FOUND: Reason.NOT_FOUND, HTTPStatus.UNAUTHORIZED: Reason.UNAUTHENTICATED}
    reason = known.get(HTTPStatus(error.status_code), Reason.MALFORMED)
    return Refusal(reason, status=error.status_code, headers=error.headers)


def _on_validation(_: ExceptionHandler, __: Request, error: RequestValidationError) -> Problem:
    return malformed(error)


def _on_unauthenticated(_: ExceptionHandler, __: Request, ___: Unauthenticated) -> Problem:
    return Refusal(Reason.UNAUTHENTICATED)


def _on_unavailable(_: ExceptionHandler, __: Request, error: Exception) -> Problem:
    structlog.get_logger().warning("not available", error=type(error).__name__)
    return Refusal(Reason.UNAVAILABLE)


def _on_other(_: ExceptionHandler, __: Request, error: Exception) -> Problem | None:
    if isinstance(error, (Problem, HTTPException, RequestValidationError)):
        return None
    return Refusal(Reason.UNAVAILABLE, status=HTTPStatus.INTERNAL_SERVER_ERROR)


def install(app: FastAPI, unavailable: tuple[type[Exception], ...] = ()) -> None:
    """Answer every error with a problem document; those in ``unavailable`` pass, so they are 503 and not 500."""
    special: dict[type[Exception], Any] = {Unauthenticated: _on_unauthenticated} | dict.fromkeys(unavailable, _on_unavailable)
    handler = new_exception_handler(
        handlers=special | {Exception: _on_other},
        http_exception_handler=_on_http,
        request_validation_handler=_on_validation,
    )
    add_exception_handler(app, handler, generic_swagger_defaults=False)
    for error in special:
        app.add_exception_handler(error, handler)
