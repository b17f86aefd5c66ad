"""Pure: what a change of message schemas takes away. Within a version of a type there may only be additions.

Compares the JSON Schema that the contracts produce, not every schema there could be.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]
_FLOORS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_CEILINGS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT = ("pattern", "format")


def taken_away(old: Node, new: Node) -> list[str]:
    """What the messages of one AsyncAPI document could say and those of another cannot; empty if it only adds."""
    before, after = old["components"], new["components"]
    found = []
    for name, message in before["messages"].items():
        if name not in after["messages"]:
            found.append(f"{name}: removed")
            continue
        for part in ("headers", "payload"):
            one, two = message[part], after["messages"][name][part]
            found += [f"{name}: {part}{what}" for what in Comparison(before, after).losses(one, two)]
    return found


class Comparison:
    """Two sets of named schemas, the earlier and the later, that references lead to."""

    def __init__(self, before: Node, after: Node) -> None:
        self._before = before["schemas"]
        self._after = after["schemas"]

    def losses(self, old: Node, new: Node, at: str = "") -> Iterator[str]:
        """Each way in which ``new`` refuses what ``old`` allowed, with where."""
        old, new = _resolved(old, self._before), _resolved(new, self._after)
        olds, news = _branches(old), _branches(new)
        if len(olds) == len(news) == 1:
            yield from self._single(olds[0], news[0], at)
            return
        for branch in olds:
            if all(any(self.losses(branch, other, at)) for other in news):
                yield f"{at} no longer allows {_named(branch)}"

    def _single(self, old: Node, new: Node, at: str) -> Iterator[str]:
        if "type" in new and new["type"] != old.get("type") and (old.get("type"), new["type"]) != ("integer", "number"):
            yield f"{at} is {new['type']}, was {old.get('type', 'anything')}"
            return
        yield from _values(old, new, at)
        yield from _bounds(old, new, at)
        yield from self._fields(old, new, at)
        if "items" in new:
            yield from self.losses(old.get("items", {}), new["items"], f"{at}[]")

    def _fields(self, old: Node, new: Node, at: str) -> Iterator[str]:
        one, two = old.get("properties", {}), new.get("properties", {})
        yield from (f"{at}.{name} was removed" for name in one if name not in two)
        yield from (f"{at}.{name} is required now" for name in new.get("required", ()) if name not in old.get("required", ()))
        if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
            yield f"{at} refuses unknown fields now"
        for name in one.keys() & two.keys():
            yield from self.losses(one[name], two[name], f"{at}.{name}")


def _resolved(schema: Node, named: Node) -> Node:
    reference = schema.get("$ref")
    return schema if reference is None else _resolved(named[reference.rpartition("/")[2]], named)


def _branches(schema: Node) -> list[Node]:
    branches: list[Node] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return branches


def _named(branch: Node) -> str:
    return str(branch.get("$ref", branch.get("type", "anything"))).rpartition("/")[2]


def _values(old: Node, new: Node, at: str) -> Iterator[str]:
    allowed = _enumerated(new)
    if allowed is None:
        return
    before = _enumerated(old)
    if before is None:
        yield f"{at} allows only {allowed} now"
    else:
        yield from (f"{at} no longer allows {value!r}" for value in before if value not in allowed)


def _enumerated(schema: Node) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _bounds(old: Node, new: Node, at: str) -> Iterator[str]:
    for word in _FLOORS:
        if word in new and (word not in old or new[word] > old[word]):
            yield f"{at} has {word} {new[word]}, had {old.get(word, 'none')}"
    for word in _CEILINGS:
        if word in new and (word not in old or new[word] < old[word]):
            yield f"{at} has {word} {new[word]}, had {old.get(word, 'none')}"
    for word in _EXACT:
        if word in new and new[word] != old.get(word):
            yield f"{at} has another {word}"
