"""How audit entries are linked, and how what retention takes out of a chain is accounted for.

A chain is one partition's entries by position, from 1. Each hash covers the one before, so that a removed, changed or
inserted entry shows. Bodies are canonical JSON (RFC 8785): the same content is the same bytes, for ever.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import rfc8785

GENESIS = bytes(32)
"""What the first entry of each chain is linked to."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Neighbouring entries that are gone: ``digest`` is over their hashes, ``hash`` that of the last of them."""

    partition: int
    first_position: int
    last_position: int
    digest: bytes
    hash: bytes


_EXACT = 1 << 53
"""Integers from here on are no longer exact in JavaScript, whose numbers RFC 8785 writes."""


def canonical(value: Any) -> str:
    """JSON by RFC 8785, for what ``orjson`` reads. Where the two have to agree, ``orjson`` writes it, which costs far less.

    :raises ValueError: it cannot be written so.
    """
    plain = _plain(value)
    return (orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if plain else rfc8785.dumps(value)).decode()


def _plain(value: Any) -> bool:
    """No floats, no integers too large, and names in one order whether compared as UTF-8 or, as RFC 8785 wants, as UTF-16."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_EXACT < value < _EXACT)
    if kind is dict:
        return all(name.isascii() and _plain(one) for name, one in value.items())
    return kind is list and all(map(_plain, value))


def link(previous: bytes, partition: int, position: int, body: str) -> bytes:
    """The hash of the entry at ``position``, given that of the one before it."""
    place = partition.to_bytes(4, "big") + position.to_bytes(8, "big")
    return hashlib.sha256(previous + place + hashlib.sha256(body.encode()).digest()).digest()


def follow(previous: bytes, body: str) -> bytes:
    """The hash of a checkpoint, given that of the one before it."""
    return hashlib.sha256(previous + body.encode()).digest()


def removed_digest(hashes: Iterable[bytes]) -> bytes:
    """What stands for removed neighbours: SHA-256 over their hashes, in order of position."""
    return hashlib.sha256(b"".join(hashes)).digest()


def account(removed: Iterable[Removed]) -> str:
    """What a retention run is audited with: SHA-256 (hex) over all it took out, by partition and position."""
    total = hashlib.sha256()
    for r in sorted(removed, key=lambda r: (r.partition, r.first_position)):
        total.update(r.partition.to_bytes(4, "big") + r.first_position.to_bytes(8, "big") + r.last_position.to_bytes(8, "big"))
        total.update(r.digest + r.hash)
    return total.hexdigest()
