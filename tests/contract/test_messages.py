"""Every message ever published parses for ever, and says the same when it is written again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from shared.contracts.base import Command
from shared.contracts.envelope import Envelope, Unreadable, headers, parse
from shared.contracts.topics import TOPICS, TYPE_OF, Route, Topic

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.json"))
ROUTES = [(topic, route) for topic in TOPICS for route in topic.routes.values()]


def sample(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def topic_of(kind: str) -> Topic:
    found = [topic for topic in TOPICS if kind in topic.routes]
    assert len(found) == 1, f"{kind} is not in the routing table any more: what was published once must stay readable"
    return found[0]


def parsed(golden: dict[str, Any], value: dict[str, Any] | None = None) -> Envelope:
    raw = tuple((name, text.encode()) for name, text in golden["headers"].items())
    return parse(topic_of(golden["headers"]["ce_type"]), json.dumps(value or golden["value"]).encode(), raw)


def written(message: BaseModel) -> Any:
    return json.loads(message.model_dump_json(exclude_unset=True))


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """A message and every object inside it."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def optional(model: type[BaseModel]) -> set[str]:
    return {name for name, field in model.model_fields.items() if not field.is_required()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_golden_message_is_read_and_written_as_it_was(file: Path) -> None:
    golden = sample(file)
    envelope = parsed(golden)
    assert file.name.rpartition(".")[0].rpartition(".")[0] == golden["headers"]["ce_type"]
    assert written(envelope.data) == golden["value"]
    again = headers(
        type(envelope.data), envelope.id, envelope.time, golden["headers"]["ce_source"], envelope.reply_partition,
        envelope.traceparent,
    )
    assert {name: value.decode() for name, value in again} == golden["headers"]


@pytest.mark.parametrize("route", [route for _, route in ROUTES], ids=lambda route: route.type)
def test_every_type_has_golden_messages(route: Route) -> None:
    values = [sample(file)["value"] for file in GOLDEN.glob(f"{route.type}.*.json")]
    missing = optional(route.model) - {name for value in values for name in value}
    assert values, f"add tests/contract/golden/{route.type}.1.json"
    assert not missing, f"add a golden file of {route.type} in which {sorted(missing)} are set"
    assert any(not optional(route.model) & value.keys() for value in values), f"add one of {route.type} with required fields only"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_commands_refuse_what_they_do_not_know_and_the_rest_ignores_it(file: Path) -> None:
    golden = sample(file)
    more = golden["value"] | {"surprise": {"deep": [1]}}
    if issubclass(type(parsed(golden).data), Command):
        with pytest.raises(Unreadable, match="extra_forbidden"):
            parsed(golden, more)
    else:
        assert parsed(golden, more).data == parsed(golden).data


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_inside_a_command_is_left_unread(file: Path) -> None:
    """A later field of the caller, a definition or a comment must not be dropped: it could be what allows something."""
    golden = sample(file)
    for inner in list(objects(golden["value"]))[1:]:
        inner["surprise"] = True
        with pytest.raises(Unreadable, match="extra_forbidden"):
            parsed(golden)
        del inner["surprise"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_message_without_one_of_its_required_fields_is_unreadable(file: Path) -> None:
    golden = sample(file)
    for name, field in type(parsed(golden).data).model_fields.items():
        if field.is_required():
            with pytest.raises(Unreadable, match=rf"^missing at {name}$"):
                parsed(golden, {key: value for key, value in golden["value"].items() if key != name})


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_carries_its_own_types_only(topic: Topic) -> None:
    for other in TOPICS:
        for kind in other.routes if other is not topic else ():
            golden = sample(next(GOLDEN.glob(f"{kind}.*.json")))
            raw = tuple((name, text.encode()) for name, text in golden["headers"].items())
            with pytest.raises(Unreadable, match="header"):
                parse(topic, json.dumps(golden["value"]).encode(), raw)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_type", None), ("ce_type", b"\xff"), ("ce_type", b"approvalflow.command.unheard-of.v1"), ("ce_id", None),
        ("ce_id", b"7"), ("ce_time", None), ("ce_time", b"noon"), ("approvalflow_reply_partition", b"first"),
        ("traceparent", b"\xff"),
    ],
)
def test_headers_that_cannot_be_read_say_so_and_quote_nothing(name: str, value: bytes | None) -> None:
    golden = sample(next(GOLDEN.glob("approvalflow.command.record-decision.v1.*.json")))
    raw = {key: text.encode() for key, text in golden["headers"].items() if key != name}
    raw |= {} if value is None else {name: value}
    with pytest.raises(Unreadable, match=r"^header: \w+Error$"):
        parse(topic_of(golden["headers"]["ce_type"]), json.dumps(golden["value"]).encode(), tuple(raw.items()))


def test_the_key_of_each_message_is_text_of_its_own_site() -> None:
    for file in FILES:
        golden = sample(file)
        route = TYPE_OF[type(parsed(golden).data)]
        if route.key is not None:
            assert route.key(parsed(golden).data).partition(":")[0] == golden["value"]["site_id"]
