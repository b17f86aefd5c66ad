"""The documents kept in ``docs`` are what the code serves, and hold together."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from services.cli.documents import NEW_VERSION, as_text, generated, losses
from shared.contracts.reasons import Reason
from shared.contracts.topics import TOPICS

DOCS = Path(__file__).parents[2] / "docs"
MADE = asyncio.run(generated())


@pytest.mark.parametrize("name", MADE)
def test_what_is_kept_is_what_the_code_says(name: str) -> None:
    lost = losses(DOCS / name, MADE[name])
    assert not lost, f"docs/{name}: {'; '.join(lost)}. {NEW_VERSION}"
    # Compared as a flag: a difference of thousands of lines would hide what to do about it.
    same = (DOCS / name).read_text() == as_text(MADE[name])
    assert same, f"docs/{name} differs from the code: run `python -m services.cli documents` and look at what changed"


@pytest.mark.parametrize("name", MADE)
def test_every_reference_leads_somewhere(name: str) -> None:
    references = list(_references(MADE[name]))
    assert references
    for reference in references:
        at: Any = MADE[name]
        for part in reference.removeprefix("#/").split("/"):
            assert part in at, reference
            at = at[part]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_asyncapi_document_says_what_the_routing_table_says() -> None:
    document = MADE["asyncapi.json"]
    assert document["asyncapi"] == "3.0.0"
    ApplicationSchema.model_validate(document)
    assert list(document["channels"]) == [topic.name for topic in TOPICS]
    for topic in TOPICS:
        channel = document["channels"][topic.name]
        assert (channel["address"], set(channel["messages"])) == (topic.name, set(topic.routes))
        assert _services(document, topic.name) == {
            *(("send", name) for name in topic.producers), *(("receive", name) for name in topic.consumers),
        }


def _services(document: Any, topic: str) -> set[tuple[str, str]]:
    operations = document["operations"].items()
    return {(o["action"], name.partition(".")[0]) for name, o in operations if o["channel"]["$ref"] == f"#/channels/{topic}"}


def test_every_message_says_its_headers_its_key_and_its_fields() -> None:
    document = MADE["asyncapi.json"]
    for topic in TOPICS:
        for name, route in topic.routes.items():
            message = document["components"]["messages"][name]
            schema = document["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
            assert message["headers"]["properties"]["ce_type"]["const"] == message["name"] == name
            assert schema["properties"].keys() == route.model.model_fields.keys()
            assert message["summary"]
            assert message["bindings"]["kafka"]["key"]["description"].strip("`")
    assert "discriminator" not in json.dumps(document)


@pytest.mark.parametrize("name", [name for name in MADE if name.startswith("openapi")])
def test_the_openapi_documents_name_every_reason_and_describe_every_route(name: str) -> None:
    document = MADE[name]
    assert document["openapi"].startswith("3.1")
    assert document["components"]["schemas"]["Refused"]["properties"]["reason"]["enum"] == [reason.value for reason in Reason]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], f"{method} {path}"
            assert {"4XX", "503"} <= operation["responses"].keys(), f"{method} {path}"
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, f"{method} {path}"
