"""How the routes appear in the OpenAPI document: bodies, headers, answers and examples."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from services.command.bodies import Nothing
from services.command.requests import ENDPOINTS, Endpoint
from shared.contracts.reasons import DESCRIPTION, Reason
from shared.contracts.replies import Outcome
from shared.problems import BASE, MEDIA_TYPE, TITLE

_REF = "#/components/schemas/{model}"
_COMMAND_ID = "0199f3a0-7c1e-7b7a-9f57-3d0a52f6a1c4"
_HEADERS = (
    ("Idempotency-Key", True, "Names this request; a repeat under it is the same command.", "9f0c1e-review-4"),
    ("If-Match", False, "The version the caller saw, in quotes.", '"7"'),
    ("Prefer", False, "`wait=N`: answer with the outcome if it is known within N seconds.", "wait=5"),
)


def documented(endpoint: Endpoint) -> dict[str, Any]:
    """The document's part about one command."""
    extra: dict[str, Any] = {"parameters": _parameters(endpoint), "security": [{"forge": []}, {"connect": []}]}
    if endpoint.body is not Nothing:
        content = {"schema": {"$ref": _REF.format(model=endpoint.body.__name__)}, "example": endpoint.example}
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    accepted = {"command_id": _COMMAND_ID, "status_url": f"/v1/commands/{_COMMAND_ID}"}
    return {
        "summary": endpoint.summary,
        "status_code": 202,
        "openapi_extra": extra,
        "response_model": None,
        "responses": {
            200: {"description": "Applied; answered to a caller who waited.", "content": _outcome()},
            202: {"description": "On the log.", "content": {"application/json": {"example": accepted}}},
            "4XX": _problem(Reason.MALFORMED, "Refused, and why."),
            503: _problem(Reason.UNAVAILABLE, "Not accepted; try again with the same key."),
        },
    }


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    text = {"schema": {"type": "string"}}
    headers = [
        {"name": name, "in": "header", "required": required, "description": about, "example": example, **text}
        for name, required, about, example in _HEADERS
    ]
    names = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    return headers + [{"name": name, "in": "path", "required": True, **text} for name in names]


def webhook_documented(summary: str) -> dict[str, Any]:
    """The document's part about one webhook."""
    body = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "summary": summary,
        "status_code": 204,
        "openapi_extra": {"requestBody": body},
        "response_model": None,
        "responses": {
            200: {"description": "Understood, and of no consequence here."},
            204: {"description": "On the log."},
            "4XX": _problem(Reason.UNAUTHENTICATED, "Refused, and why."),
            503: _problem(Reason.UNAVAILABLE, "Not accepted; try again."),
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
    return {"application/json": {"schema": {"$ref": _REF.format(model=Outcome.__name__)}, "example": example}}


def _problem(reason: Reason, text: str) -> dict[str, Any]:
    status, sentence = DESCRIPTION[reason]
    example = {
        "type": BASE + reason,
        "title": TITLE[reason],
        "status": int(status),
        "detail": sentence,
        "reason": reason,
    }
    return {
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Refused")}, "example": example}},
    }


def complete(app: FastAPI) -> None:
    """Add what the routes refer to: the schemas of bodies and answers, and how callers sign."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            components = document.setdefault("components", {})
            components["schemas"] = _schemas()
            components["securitySchemes"] = {
                "forge": {"type": "http", "scheme": "bearer", "description": "A Forge invocation token."},
                "connect": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`JWT` and a Connect token.",
                },
            }
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _schemas() -> dict[str, Any]:
    models = {endpoint.body for endpoint in ENDPOINTS if endpoint.body is not Nothing}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, found = models_json_schema([*((model, "validation") for model in ordered), (Outcome, "validation")], ref_template=_REF)
    refused = {
        "type": "object",
        "required": ["type", "title", "status", "reason"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "field": {"type": "string"},
            "reason": {"type": "string", "enum": [reason.value for reason in Reason]},
        },
    }
    return {**found["$defs"], "Refused": refused}
