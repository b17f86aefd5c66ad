"""The same records once more, as a broker or a sender that is not sure delivers them."""

from random import Random

from chaos import log
from shared.contracts.topics import EVENTS, INTAKE
from shared.kafka import BatchPublisher, Outgoing
from shared.settings import ServiceSettings

_TOPICS = {"intake": INTAKE, "events": EVENTS}
_MOST = 20
"""Records of each partition."""


async def repeat(bootstrap: str, name: str, random: Random | None) -> None:
    """Put the last records of each partition there again; with ``random``, in another order, even within a key."""
    topic = _TOPICS[name]
    last = await log.ends(bootstrap, topic)
    records = await log.since(bootstrap, topic, {place: max(0, end - _MOST) for place, end in last.items()})
    if random is not None:
        random.shuffle(records)
    publisher = BatchPublisher(ServiceSettings(kafka=bootstrap), "chaos")
    await publisher.start()
    try:
        await publisher.publish(
            Outgoing(topic.name, r.key, r.value or b"", [*r.headers], r.partition) for r in records
        )
    finally:
        await publisher.stop()
