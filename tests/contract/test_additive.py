"""What counts as taking something away from a message: pairs of schemas, each differing in one thing."""

import asyncio
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.cli.additive import taken_away
from services.cli.documents import as_text, generated

PERSON = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
COLOUR = {"enum": ["red", "green"], "type": "string"}
VOTE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "by": {"$ref": "#/components/schemas/Person"},
        "colour": {"$ref": "#/components/schemas/Colour"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "name": {"type": "string", "pattern": "^a", "maxLength": 5},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "what": {"oneOf": [{"$ref": "#/components/schemas/Person"}, {"$ref": "#/components/schemas/Other"}]},
    },
    "required": ["by", "colour"],
}
OTHER = {"type": "object", "properties": {"kind": {"const": "other"}}, "required": ["kind"]}


def document(**schemas: Any) -> dict[str, Any]:
    named = {"Vote": deepcopy(VOTE), "Person": deepcopy(PERSON), "Colour": deepcopy(COLOUR), "Other": deepcopy(OTHER)} | schemas
    message = {"headers": {"type": "object"}, "payload": {"$ref": "#/components/schemas/Vote"}}
    return {"components": {"messages": {"vote.v1": message}, "schemas": named}}


def with_field(name: str, schema: Any) -> dict[str, Any]:
    """The same document with another field in the message, or without it."""
    properties = {key: value for key, value in VOTE["properties"].items() if key != name}
    return document(Vote=VOTE | {"properties": properties if schema is None else properties | {name: schema}})


@pytest.mark.parametrize(
    ("new", "lost"),
    [
        (with_field("count", None), ".count was removed"),
        (document(Vote=VOTE | {"required": ["by", "colour", "note"]}), ".note is required now"),
        (document(Vote=VOTE | {"additionalProperties": False}), " refuses unknown fields now"),
        (with_field("count", {"type": "string"}), ".count is string, was integer"),
        (with_field("count", {"type": "integer", "minimum": 2, "maximum": 9}), ".count has minimum 2, had 1"),
        (with_field("count", {"type": "integer", "minimum": 1, "maximum": 8}), ".count has maximum 8, had 9"),
        (with_field("name", {"type": "string", "pattern": "^b", "maxLength": 5}), ".name has another pattern"),
        (with_field("name", {"type": "string", "pattern": "^a", "maxLength": 5, "minLength": 1}), ".name has minLength 1, had none"),
        (with_field("name", {"type": "string", "pattern": "^a", "maxLength": 5, "enum": ["a"]}), ".name allows only ['a'] now"),
        (with_field("note", {"type": "string"}), ".note no longer allows null"),
        (with_field("note", {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]}), ".note no longer allows string"),
        (with_field("tags", {"type": "array", "items": {"type": "integer"}, "maxItems": 3}), ".tags[] is integer, was string"),
        (with_field("what", {"$ref": "#/components/schemas/Person"}), ".what no longer allows Other"),
        (document(Colour={"enum": ["red"], "type": "string"}), ".colour no longer allows 'green'"),
        (document(Person=PERSON | {"required": ["id", "age"], "properties": {"id": {"type": "string"}, "age": {}}}),
         ".by.age is required now"),
    ],
)
def test_what_takes_something_away_is_named_with_its_place(new: dict[str, Any], lost: str) -> None:
    assert f"vote.v1: payload{lost}" in taken_away(document(), new)


@pytest.mark.parametrize(
    "new",
    [
        document(),
        with_field("more", {"type": "string"}),
        with_field("count", {"type": "integer", "minimum": 0}),
        with_field("count", {"type": "number", "minimum": 1, "maximum": 9}),
        with_field("name", {"type": "string"}),
        with_field("name", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        with_field("tags", {"type": "array", "items": {"type": "string"}}),
        document(Colour={"enum": ["green", "blue", "red"], "type": "string"}),
        document(Vote=VOTE | {"required": ["by"], "description": "Says more."}),
        document(Person=PERSON | {"properties": {"id": {"type": "string"}, "age": {"type": "integer"}}}),
    ],
)
def test_what_only_adds_is_let_through(new: dict[str, Any]) -> None:
    assert taken_away(document(), new) == []


def test_a_type_and_a_header_are_not_taken_away_either() -> None:
    without, narrower = document(), document()
    without["components"]["messages"] = {}
    narrower["components"]["messages"]["vote.v1"]["headers"] = {"type": "object", "required": ["trace"]}
    assert taken_away(document(), without) == ["vote.v1: removed"]
    assert taken_away(document(), narrower) == ["vote.v1: headers.trace is required now"]


def test_a_document_is_not_written_over_one_that_allowed_more(tmp_path: Path) -> None:
    earlier = asyncio.run(generated())["asyncapi.json"]
    verdicts = earlier["components"]["schemas"]["Verdict"]["enum"]
    verdicts.append("abstain")
    (tmp_path / "asyncapi.json").write_text(as_text(earlier))
    found = CliRunner().invoke(app, ["documents", "--directory", str(tmp_path)])
    assert found.exit_code == 1
    assert "approvalflow.command.record-decision.v1: payload.verdict no longer allows 'abstain'" in found.stderr
    assert "a type of its own in shared/contracts/topics.py" in found.stderr
    assert json.loads((tmp_path / "asyncapi.json").read_text()) == earlier
    verdicts[:] = ["approve"]
    (tmp_path / "asyncapi.json").write_text(as_text(earlier))
    assert CliRunner().invoke(app, ["documents", "--directory", str(tmp_path)]).exit_code == 0
    assert json.loads((tmp_path / "asyncapi.json").read_text()) == asyncio.run(generated())["asyncapi.json"]
