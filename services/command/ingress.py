"""The REST API: one route for each command in ``requests.ENDPOINTS``."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from services.command import metrics
from services.command.admission import Admission, Demand
from services.command.authenticate import Authenticator
from services.command.domain import Window
from services.command.limits import Rates, Repeats
from services.command.openapi import documented
from services.command.requests import ENDPOINTS, Asked, Endpoint
from shared.callers import scheme
from shared.clock import now
from shared.contracts.base import Command
from shared.contracts.commands import PageCommand, SiteCommand, WorkflowCommand
from shared.contracts.reasons import Reason
from shared.contracts.replies import Outcome
from shared.problems import Refusal, malformed
from shared.tokens import Principal

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_VERSION = re.compile(r'"(0|[1-9][0-9]{0,8})"')
_WAIT = re.compile(r'(?:^|[,\s])wait\s*=\s*"?([0-9]{1,9})"?\s*(?=[,;]|$)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes need; made once, in the wiring."""

    authenticator: Authenticator
    admission: Admission
    window: Window
    repeats: Repeats
    rates: Rates
    max_wait: float
    console_url: str

    def router(self) -> APIRouter:
        """All commands."""
        routes = APIRouter(tags=["commands"])
        for endpoint in ENDPOINTS:
            handler = partial(self.handle, endpoint)
            handler.__name__ = endpoint.build.__name__.lstrip("_")  # type: ignore[attr-defined]  # a partial has none of its own
            routes.add_api_route(endpoint.path, _route(handler), methods=[endpoint.method], **documented(endpoint))
        return routes

    async def handle(self, endpoint: Endpoint, request: Request) -> Response:
        """One command, from its headers to the answer."""
        channel = {"jwt": "connect", "openid": "console"}.get(scheme(request), "forge")
        with metrics.admission(channel) as admitted:
            principal = await self.authenticator.person_or_app(request)
            with self.repeats.watching(principal):
                self.rates.take(principal)
                command, command_id, outcome, wait = await self._admit(endpoint, request, principal)
            if outcome is None:
                admitted.outcome = "accepted"
                return self._accepted(command, command_id)
            admitted.outcome = "applied"
            return _applied(outcome, wait)

    async def _admit(
        self, endpoint: Endpoint, request: Request, principal: Principal,
    ) -> tuple[SiteCommand, UUID, Outcome | None, float]:
        _permitted(endpoint, principal)
        demand = await self._demand(request, principal)
        body = read(endpoint.body, demand.content[-1])
        if isinstance(read_at := getattr(body, "read_at", None), datetime):
            self.window.check(read_at, now(), "/read_at")
        command, command_id, outcome = await self.admission.admit(demand, partial(_build, endpoint, body))
        if outcome is not None and outcome.reason is not None:
            raise Refusal(outcome.reason)
        return command, command_id, outcome, demand.wait

    async def _demand(self, request: Request, principal: Principal) -> Demand:
        key, match = request.headers.get("idempotency-key"), request.headers.get("if-match")
        if not key:
            raise Refusal(Reason.IDEMPOTENCY_KEY_MISSING, "Idempotency-Key")
        if not _KEY.fullmatch(key):
            raise Refusal(Reason.MALFORMED, "Idempotency-Key")
        expected = None
        if match is not None and match.strip() != "*":
            found = _VERSION.fullmatch(match.strip())
            if found is None:
                raise Refusal(Reason.MALFORMED, "If-Match")
            expected = int(found[1])
        content = (request.method.encode(), request.url.path.encode(), (match or "").encode(), await request.body())
        wait = min(preferred_wait(request.headers.getlist("prefer")), self.max_wait)
        return Demand(principal, key, content, dict(request.path_params), expected, wait)

    def _accepted(self, command: SiteCommand, command_id: UUID) -> Response:
        status_url = f"{self.console_url}/v1/commands/{command_id}"
        body: dict[str, Any] = {"command_id": str(command_id), "status_url": status_url}
        for kind, name in ((WorkflowCommand, "workflow_id"), (PageCommand, "approval_id")):
            if isinstance(command, kind) and (value := getattr(command, name, None)) is not None:
                body[name] = value
        return Response(orjson.dumps(body), 202, {"Location": status_url}, "application/json")


def _route(handler: Any) -> Any:
    async def route(request: Request) -> Response:
        answer: Response = await handler(request)
        return answer

    route.__name__ = handler.__name__
    return route


def _permitted(endpoint: Endpoint, principal: Principal) -> None:
    """Directory facts come from the app alone, releases from operators; everything else needs a person."""
    caller = principal.caller
    if not {"app": caller.app, "operator": caller.operator, "person": caller.account_id is not None}[endpoint.by]:
        raise Refusal(Reason.NOT_PERMITTED)


def _build(endpoint: Endpoint, body: Command, asked: Asked) -> SiteCommand:
    try:
        return endpoint.build(asked, body)
    except ValidationError as error:
        raise malformed(error) from None


def read(model: type[Command], body: bytes) -> Command:
    """The body as this model; where none is needed, an empty one will do.

    :raises Refusal: it is not that, and where.
    """
    try:
        return model.model_validate_json(body if body or model.model_fields else b"{}", strict=True)
    except ValidationError as error:
        raise malformed(error) from None


def preferred_wait(headers: list[str]) -> float:
    """Seconds of the first ``wait`` in ``Prefer`` (RFC 7240), 0 without one."""
    found = _WAIT.search(",".join(headers))
    return float(found[1]) if found else 0.0


def _applied(outcome: Outcome, wait: float) -> Response:
    headers = {"Preference-Applied": f"wait={wait:.0f}"} | ({"ETag": f'"{outcome.version}"'} if outcome.version else {})
    return Response(outcome.model_dump_json().encode(), 200, headers, "application/json")
