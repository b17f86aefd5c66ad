"""How the routes appear in the OpenAPI document: bodies, headers, answers and examples."""

from typing import Any

from pydantic.json_schema import models_json_schema

from services.command.bodies import Nothing
from services.command.requests import ENDPOINTS, Endpoint
from shared.contracts.reasons import Reason
from shared.contracts.replies import Outcome
from shared.openapi import REF, SECURITY, problem

_COMMAND_ID = "0199f3a0-7c1e-7b7a-9f57-3d0a52f6a1c4"
_HEADERS = (
    ("Idempotency-Key", True, "Names this request; a repeat under it is the same command.", "9f0c1e-review-4"),
    ("If-Match", False, "The version the caller saw, in quotes.", '"7"'),
    ("Prefer", False, "`wait=N`: answer with the outcome if it is known within N seconds.", "wait=5"),
)


def documented(endpoint: Endpoint) -> dict[str, Any]:
    """The document's part about one command."""
    extra: dict[str, Any] = {"parameters": _parameters(endpoint), "security": SECURITY}
    if endpoint.body is not Nothing:
        content = {"schema": {"$ref": REF.format(model=endpoint.body.__name__)}, "example": endpoint.example}
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    links = _links(endpoint)
    accepted = {"command_id": _COMMAND_ID, "status_url": f"/v1/commands/{_COMMAND_ID}"}
    return {
        "summary": endpoint.summary,
        "status_code": 202,
        "openapi_extra": extra,
        "response_model": None,
        "responses": {
            200: {"description": "Applied; answered to a caller who waited.", "content": _outcome(), **links},
            202: {"description": "On the log.", "content": {"application/json": {"example": accepted}}, **links},
            "4XX": problem(Reason.MALFORMED, "Refused, and why."),
            503: problem(Reason.UNAVAILABLE, "Not accepted; try again with the same key."),
        },
    }


_MAKES = {"/v1/workflows": "workflow_id", "/v1/pages/{page_id}/approvals": "approval_id"}
"""What answers name for the first time."""


def _links(endpoint: Endpoint) -> dict[str, Any]:
    """Where an answer leads: every command about what this one makes."""
    made = _MAKES.get(endpoint.path)
    following = [other for other in ENDPOINTS if made is not None and f"{{{made}}}" in other.path]
    return {"links": {
        other.build.__name__.lstrip("_"): {
            "operationRef": f"#/paths/{other.path.replace('/', '~1')}/{other.method.lower()}",
            "parameters": {made: f"$response.body#/{made}"},
        } for other in following
    }} if following else {}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    headers = [
        {"name": name, "in": "header", "required": required, "description": about, "example": example, "schema": {"type": "string"}}
        for name, required, about, example in _HEADERS
    ]
    return headers + _in_path(endpoint.path)


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def webhook_documented(path: str, summary: str) -> dict[str, Any]:
    """The document's part about one webhook."""
    body = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "summary": summary,
        "status_code": 204,
        "openapi_extra": {"requestBody": body, "parameters": _in_path(path)},
        "response_model": None,
        "responses": {
            200: {"description": "Understood, and of no consequence here."},
            204: {"description": "On the log."},
            "4XX": problem(Reason.UNAUTHENTICATED, "Refused, and why."),
            503: problem(Reason.UNAVAILABLE, "Not accepted; try again."),
        },
    }


def _outcome() -> dict[str, Any]:
    example = {
        "site_id": "a1b2",
        "command_id": _COMMAND_ID,
        "result": "applied",
        "version": 8,
        "approval_id": "98765-1",
        "status": "open",
    }
    return {"application/json": {"schema": {"$ref": REF.format(model=Outcome.__name__)}, "example": example}}


def schemas() -> dict[str, Any]:
    """Of bodies and outcomes."""
    models = {endpoint.body for endpoint in ENDPOINTS if endpoint.body is not Nothing}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, found = models_json_schema([*((model, "validation") for model in ordered), (Outcome, "validation")], ref_template=REF)
    schemas: dict[str, Any] = found["$defs"]
    return schemas
