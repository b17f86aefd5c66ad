"""The AsyncAPI document: what travels on which topic, made from the routing table and the message classes."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from shared.contracts.commands import SiteCommand
from shared.contracts.envelope import REPLY_PARTITION
from shared.contracts.topics import TOPICS, Route, Topic

Node = dict[str, Any]
_KINDS = {"send": "producers", "receive": "consumers"}


class _Plain(GenerateJsonSchema):
    """JSON Schema proper: ``discriminator`` is a keyword of OpenAPI and means something else in AsyncAPI."""

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        found = super().tagged_union_schema(schema)
        found.pop("discriminator", None)
        return found


class _Placeholders:
    """Stands for any message, each of whose fields is its own name in braces."""

    def __getattr__(self, name: str) -> str:
        return f"{{{name}}}"


def document() -> Node:
    """AsyncAPI 3.0 of the whole system: a channel for each topic, an operation for each service that writes or reads it."""
    routes = [route for topic in TOPICS for route in topic.routes.values()]
    _, schemas = models_json_schema(
        [(route.model, "validation") for route in routes],
        ref_template="#/components/schemas/{model}", schema_generator=_Plain,
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ApprovalFlow", "version": "1",
            "description": "CloudEvents 1.0, Kafka binding, binary mode. Within a version of a type there are only additions.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(_operation(topic, action, service) for topic in TOPICS
                           for action, role in _KINDS.items() for service in getattr(topic, role)),
        "components": {"messages": {route.type: _message(route) for route in routes}, "schemas": schemas["$defs"]},
    }


def _channel(topic: Topic) -> Node:
    configuration = {"cleanup.policy": ["delete"], "retention.ms": topic.retention_ms}
    return {
        "address": topic.name,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in topic.routes},
        "bindings": {"kafka": {"topic": topic.name, "topicConfiguration": configuration, "bindingVersion": "0.5.0"}},
    }


def _operation(topic: Topic, action: str, service: str) -> tuple[str, Node]:
    return f"{service}.{action}.{topic.name}", {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}}


def _message(route: Route) -> Node:
    key = "As the message that caused it." if route.key is None else f"`{route.key(_Placeholders())}`"
    return {
        "name": route.type,
        "title": route.model.__name__,
        "summary": (route.model.__doc__ or "").partition("\n")[0],
        "contentType": "application/json",
        "headers": _headers(route),
        "payload": {"$ref": f"#/components/schemas/{route.model.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
    }


def _headers(route: Route) -> Node:
    always: Node = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_type": {"type": "string", "const": route.type},
        "ce_id": {"type": "string", "format": "uuid"},
        "ce_source": {"type": "string", "format": "uri-reference"},
        "ce_time": {"type": "string", "format": "date-time"},
        "content-type": {"type": "string", "const": "application/json"},
    }
    sometimes: Node = {"traceparent": {"type": "string", "description": "W3C Trace Context."}}
    if issubclass(route.model, SiteCommand):
        waited = "The partition of the replies that its sender listens on, where it waits for the outcome."
        sometimes[REPLY_PARTITION] = {"type": "string", "pattern": "^[0-9]+$", "description": waited}
    return {"type": "object", "required": list(always), "properties": always | sometimes}
