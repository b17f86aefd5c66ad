"""Step one: each record read by itself, so that a bad one holds up only what comes after it under its own key."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.decision.domain.batch import Item
from services.decision.store.quarantine import Held, hold, key_text
from shared.contracts.commands import PageCommand, ReleaseQuarantine
from shared.contracts.envelope import Unreadable, parse
from shared.contracts.facts import PageChanged
from shared.contracts.reasons import Reason
from shared.contracts.topics import INTAKE, TYPE_OF
from shared.kafka import Record


@dataclass(slots=True)
class Part:
    """A run of records that are settled together. A release is a part by itself."""

    items: list[Item] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    records: dict[tuple[int, int], Record] = field(default_factory=dict)
    release: Item | None = None

    def keys(self) -> set[str]:
        """Every key there is something for."""
        return {item.key for item in self.items} | {record.key for record in self.held}

    def hold_back(self, blocked: Mapping[str, tuple[int, int]]) -> None:
        """Let records wait whose key has something waiting before them; one that lies before it was settled first."""
        if not blocked:
            return
        free: list[Item] = []
        for item in self.items:
            partition, offset = blocked.get(item.key, (item.partition, item.offset + 1))
            if item.partition == partition and item.offset < offset:
                free.append(item)
            else:
                self.held.append(self.held_form(item, Reason.WAITING))
        self.items = free

    def held_form(self, item: Item, reason: Reason, detail: str = "") -> Held:
        """An item on its way to quarantine."""
        return hold(self.records[item.partition, item.offset], reason, detail)


def read_item(record: Record) -> Item:
    """Read one record.

    :raises Unreadable: it can never be handled as it is.
    """
    envelope = parse(INTAKE, record.value, record.headers)
    key, route = key_text(record), TYPE_OF[type(envelope.data)]
    if route.key is None or route.key(envelope.data) != key:
        raise Unreadable("the key is not that of the message")
    return Item(record.topic, record.partition, record.offset, key, envelope)


def parts(records: Sequence[Record]) -> Iterator[Part]:
    """Read a batch, cut where something is released."""
    part, unreadable = Part(), set[str]()
    for record in records:
        part.records[record.partition, record.offset] = record
        try:
            item = read_item(record)
        except Unreadable as error:
            held = hold(record, Reason.MALFORMED, str(error))
            unreadable.add(held.key)
            part.held.append(held)
            continue
        if isinstance(item.data, ReleaseQuarantine):
            yield part
            yield Part(release=item, records={(record.partition, record.offset): record})
            part, unreadable = Part(), set()
        elif item.key in unreadable:
            part.held.append(hold(record, Reason.WAITING))
        else:
            part.items.append(item)
    yield part


def is_page(item: Item) -> bool:
    """Is this about one page, and so part of the set-based hot path?"""
    return isinstance(item.data, PageCommand | PageChanged)


def split(items: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """What is about sites and workflows, and what is about pages."""
    sites: list[Item] = []
    pages: list[Item] = []
    for item in items:
        (pages if is_page(item) else sites).append(item)
    return sites, pages
