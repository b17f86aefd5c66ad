"""Step one: each record read by itself, so that a bad one holds up only what comes after it under its own key."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.decision.domain.batch import Item
from services.decision.engine import Failed, Settled
from services.decision.store.quarantine import Held, hold, key_text
from shared import tracing
from shared.contracts.commands import PageCommand, ReleaseQuarantine
from shared.contracts.envelope import Unreadable, parse
from shared.contracts.facts import PageChanged
from shared.contracts.reasons import Reason
from shared.contracts.topics import INTAKE, TYPE_OF
from shared.kafka import Record

PAGES = frozenset(r.model for r in INTAKE.routes.values() if issubclass(r.model, PageCommand | PageChanged))
"""What is about one page, and so part of the set-based hot path."""
SITES_AT_ONCE = 100
"""How many records about sites, groups and workflows one part may hold: each takes a few round trips of its own."""


@dataclass(slots=True)
class Part:
    """A run of records that are settled together, and what becomes of them. A release is a part by itself."""

    pages: list[Item] = field(default_factory=list)
    sites: list[Item] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    records: dict[tuple[int, int], Record] = field(default_factory=dict)
    release: Item | None = None
    began: int = field(default_factory=tracing.moment)
    settled: Settled = field(default_factory=list)
    released: list[Held] = field(default_factory=list)

    def keys(self) -> set[str]:
        """Every key there is something for."""
        return {item.key for item in self.pages + self.sites} | {record.key for record in self.held}

    def hold_back(self, blocked: Mapping[str, tuple[int, int]]) -> None:
        """Let records wait whose key has something waiting before them; one that lies before it was settled first."""
        if blocked:
            self.pages, self.sites = self._free(self.pages, blocked), self._free(self.sites, blocked)

    def _free(self, items: Iterable[Item], blocked: Mapping[str, tuple[int, int]]) -> list[Item]:
        free: list[Item] = []
        for item in items:
            partition, offset = blocked.get(item.key, (item.partition, item.offset + 1))
            if item.partition == partition and item.offset < offset:
                free.append(item)
            else:
                self.held.append(self.held_form(item, Reason.WAITING))
        return free

    def hold_failed(self, failed: Failed) -> None:
        """Keep what could not be handled, and why."""
        self.held += [self.held_form(item, Reason.UNHANDLED, what) for item, what in failed]

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


def lanes(records: Sequence[Record], most: int, full: int = 1) -> list[list[Record]]:
    """The records in at most so many lanes of about one length; those of one partition in one lane, in their order.

    There are no more lanes than ``full`` records would fill: what a part costs, few records had better share.
    """
    partitions: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in records:
        partitions[record.topic, record.partition].append(record)
    result: list[list[Record]] = [[] for _ in range(min(most, len(partitions), -(-len(records) // full)))]
    for run in sorted(partitions.values(), key=len, reverse=True):
        min(result, key=len).extend(run)
    return result


def parts(records: Sequence[Record], most: int) -> Iterator[Part]:
    """Read a batch, cut where something is released, and into parts of at most so many records."""
    part, unreadable = Part(), set[str]()
    for record in records:
        if len(part.records) == most or len(part.sites) == SITES_AT_ONCE:
            yield part
            part, unreadable = Part(), set()
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
            (part.pages if type(item.data) in PAGES else part.sites).append(item)
    yield part
