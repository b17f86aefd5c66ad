"""What the OpenAPI documents of REST APIs have in common: how callers sign, and how a refusal looks."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from shared.contracts.reasons import DESCRIPTION, Reason
from shared.problems import BASE, MEDIA_TYPE, TITLE

REF = "#/components/schemas/{model}"
SECURITY: list[dict[str, list[str]]] = [{"forge": []}, {"connect": []}, {"person": []}]
"""A caller signs in one of these ways."""


def problem(reason: Reason, text: str) -> dict[str, Any]:
    """A refusal, with this reason as its example."""
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
        "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Refused")}, "example": example}},
    }


def complete(app: FastAPI, schemas: Callable[[], dict[str, Any]] = dict) -> None:
    """Add what the routes refer to: the schemas given and that of a refusal, and how callers sign."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            components = document.setdefault("components", {})
            found = components.setdefault("schemas", {})
            found.pop("HTTPValidationError", None)  # what does not validate is a problem document like any other
            found.update({**schemas(), "Refused": _refused()})
            components["securitySchemes"] = {
                "forge": {"type": "http", "scheme": "bearer", "description": "A Forge invocation token."},
                "connect": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`JWT` and a Connect token.",
                },
                "person": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`OpenID` and the ID token of a person signed in to the console.",
                },
            }
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _refused() -> dict[str, Any]:
    return {
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
