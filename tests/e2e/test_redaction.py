"""What people write is nowhere but where it must be: the whole system is driven with marked words, which are then looked for.

They are in titles, comments, names, addresses, tokens, bodies, headers and queries, in what is accepted and in every way to
be refused; they are looked for in every log, span, metric, header, table, file and answer.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from services.local.quiet import until_quiet
from services.local.supervisor import SERVICES, running
from shared.contracts.topics import TOPICS
from tests.e2e import speeches
from tests.e2e.collector import collecting
from tests.e2e.heard import Places, kept, logged, served, stored
from tests.e2e.marks import Marks
from tests.e2e.speaker import Speaker
from tests.e2e.visits import visited

WORDS: Mapping[str, set[str]] = {
    "approvals.comment.body": {"comment"},
    "approvals.definition.body": {"workflow"},
    "values of approvalflow.intake.v1": {"comment", "workflow"},
    "approvals.quarantine.key": {"key"},
    "approvals.quarantine.value": {"comment", "poison"},
    "approvals.quarantine.headers": {"poison"},
    "audit.quarantine.value": {"poison"},
    "audit.quarantine.headers": {"poison"},
    "operators' page": {"key"},
}
"""The only places where words may be, and which: comments and definitions on their way and where they are kept, records that
cannot be handled as they came, and the keys that an operator releases them by."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The words that were said, and all places where they may have come to."""

    marks: Marks
    places: Places


@pytest_asyncio.fixture(scope="module")
async def heard(tmp_path_factory: pytest.TempPathFactory, client: httpx.AsyncClient) -> AsyncIterator[Heard]:
    """Everything said to a system of its own, which has come to rest and was stopped."""
    marks = Marks()
    with collecting() as (collector, address), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        async with running(tmp_path_factory.mktemp("redaction")) as stack:
            for secret in (stack.issuer.connect_secret, stack.issuer.sign_in_password, stack.issuer.oidc_client_secret):
                marks.note("secret", secret)
            speaker = Speaker(stack, client, marks, f"site-{uuid4().hex[:12]}")
            await everything(speaker)
            places = {"answers": b"\n".join(speaker.answers), **await served(stack, client), **await stored(stack.postgres.dsn()),
                      **await logged(stack.broker.bootstrap, speaker.planted)}
        places |= kept(stack.state) | {"spans": b"\n".join(collector.bodies)}
    yield Heard(marks, places)


async def everything(speaker: Speaker) -> None:
    """Say all of it, and wait until it has led to all that it leads to."""
    approval = await speeches.accepted(speaker)
    await speeches.told(speaker)
    await speeches.refused(speaker, approval)
    await speeches.unauthenticated(speaker)
    await speeches.mistold(speaker)
    await speeches.read(speaker)
    await speeches.garbled(speaker)
    await speeches.poisoned(speaker)
    await visited(speaker)
    await speeches.unstorable(speaker)
    await speeches.without_database(speaker, approval)
    await until_quiet(speaker.stack.broker.bootstrap, 60)


def test_words_are_nowhere_but_where_they_must_be(heard: Heard) -> None:
    leaks = {place: kinds for place, text in heard.places.items() if (kinds := heard.marks.found(text) - WORDS.get(place, set()))}
    assert leaks == {}


def test_where_they_must_be_they_are(heard: Heard) -> None:
    assert {place: heard.marks.found(heard.places[place]) for place in WORDS} == WORDS


def test_every_place_was_looked_at(heard: Heard) -> None:
    wanted = {f"{what} of {name}" for name in SERVICES for what in ("metrics", "log")} | {"log of postgres", "spans", "archive", "answers"}
    wanted |= {f"{part} of {topic.name}" for topic in TOPICS for part in ("keys", "headers", "values")}
    wanted |= {f"{schema}.quarantine.{column}" for schema in ("approvals", "audit") for column in ("reason", "detail")}
    assert [place for place in wanted if not heard.places.get(place)] == []


def test_what_was_said_went_the_ways_it_was_meant_to(heard: Heard) -> None:
    details = set(heard.places["approvals.quarantine.detail"].decode().split("\n"))
    assert details >= {"CheckViolationError", "extra_forbidden at ", "missing at caller.channel", "header: KeyError", "header: ValueError"}
    for reason in ("malformed", "too_large", "unauthenticated", "site_mismatch", "not_an_approver", "page_version_stale", "unavailable"):
        assert f'"reason":"{reason}"'.encode() in heard.places["answers"], reason
    assert b"InsufficientPrivilegeError" in heard.places["log of console"]
    assert b"quarantined" in heard.places["log of decision"]
    assert b"reply unreadable" in heard.places["log of command"]
    assert b"POST /v1/approvals/{approval_id}/decisions" in heard.places["spans"]
