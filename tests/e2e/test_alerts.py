"""A broken system is told of: each alert reaches whom it is for, by way of a real Prometheus and Alertmanager.

Rules and routes are those that are shipped, with every duration divided.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from services.local.observe import observing, webhooks
from services.local.pager import Alert, listening
from services.local.supervisor import SERVICES, Stack, running
from shared.clock import now
from shared.contracts.commands import RecordDecision
from shared.contracts.envelope import headers
from shared.contracts.topics import INTAKE
from shared.kafka import Outgoing
from tests.builders import PAGE as PAGE_ID
from tests.builders import a_decision
from tests.e2e.prometheus import needed
from tests.e2e.site import ANN, BOB, SPACE, Site, approvers, step
from tests.e2e.test_quarantine import poisons, put_on_intake
from tests.integration.audit_log import an_event, outgoing, publisher
from tests.waiting import until

FASTER = 30
SETTINGS = {"WATCH_SECONDS": "0.2", "STALL_SECONDS": "20", "VERIFY_SECONDS": "1", "BACKLOG_LIMIT": "20"}
PAGE, TICKET = "page", "ticket"
APPROVALS, PLATFORM, SECURITY = "approvals-oncall", "platform-oncall", "security-oncall"


@dataclass(slots=True)
class Watched:
    """A system, and all that its responders were told."""

    stack: Stack
    prometheus: str
    heard: list[Alert] = field(default_factory=list)

    def has(self, name: str, responder: str, severity: str, **labels: str) -> bool:
        """Was this one told of it, of a thing with these labels?"""
        return any(
            alert.firing and alert.name == name and alert.path == f"/{responder}/{severity}" and labels.items() <= alert.labels.items()
            for alert in self.heard
        )

    async def asked(self, query: str) -> Any:
        """What Prometheus answers, once that is something."""
        async with httpx.AsyncClient(base_url=self.prometheus) as client:
            async def found() -> Any:
                return (await client.get("/api/v1/query", params={"query": query})).json()["data"]["result"]

            return await until(found)

    async def told(
        self, name: str, responder: str, severity: str, meanwhile: Callable[[], Awaitable[object]] | None = None, **labels: str,
    ) -> None:
        """Wait until this one is told of it, and do something in between.

        :raises TimeoutError: it did not come within a minute and a half.
        """
        async def came() -> bool:
            if meanwhile is not None:
                await meanwhile()
            return self.has(name, responder, severity, **labels)

        await until(came, 90)


@pytest_asyncio.fixture(scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory, client: httpx.AsyncClient) -> AsyncIterator[Watched]:
    """A system that looks at itself often, of which nobody was told anything while it worked."""
    needed()
    directory, heard = tmp_path_factory.mktemp("watched"), list[Alert]()
    with pytest.MonkeyPatch.context() as patch, listening(heard.append) as base:
        for name, value in SETTINGS.items():
            patch.setenv(f"APPROVALFLOW_{name}", value)
        async with running(directory / "system") as stack:
            targets = {service: stack.address(service) for service in SERVICES}
            async with observing(directory / "observe", targets, webhooks(base), faster=FASTER) as observers:
                found = Watched(stack, observers.prometheus, heard)
                await at_work(found, Site(stack, client, "healthy"))
                assert heard == []
                yield found
    for alert in heard:
        assert alert.path == f"/{alert.labels['responder']}/{alert.labels['severity']}"
        assert not {"<no value>", "<error", "{{"} & set(" ".join(alert.annotations.values()).split()), alert.annotations


async def at_work(watched: Watched, place: Site) -> None:
    """Pages are approved, and whatever could be said of that by a rule has been."""
    await place.prepare()
    workflow = await place.workflow(step(approvers(ANN)))
    for page in range(20):
        assert (await place.approve(await place.submit(f"h{page}", workflow), ANN)).status_code == 200
    await watched.asked('count_over_time(approvalflow:burn:5m{objective="decision"}[10s]) > 10')


@pytest_asyncio.fixture
async def place(watched: Watched, client: httpx.AsyncClient) -> Site:
    """A site of that system."""
    site = Site(watched.stack, client, f"site-{uuid4().hex[:12]}")
    await site.prepare()
    return site


@asynccontextmanager
async def locked(stack: Stack, table: str) -> AsyncIterator[None]:
    """Nobody reads or writes this table for the length of the block."""
    db = await asyncpg.connect(stack.postgres.dsn())
    try:
        async with db.transaction():
            await db.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await db.close()


async def decided(place: Site) -> None:
    """Wait until nothing is in the way of a command any more."""
    async def done() -> bool:
        admins = {"admins": [ANN], "read_at": now().isoformat()}
        return (await place.send("PUT", f"/v1/directory/spaces/{SPACE}/admins", admins, None)).status_code == httpx.codes.OK

    await until(done, 60)


async def test_a_consumer_that_is_stopped_and_all_that_follows(watched: Watched, place: Site) -> None:
    pages = iter(range(1_000_000))

    async def send() -> int:
        return (await place.hook("created", f"s{next(pages)}", 1)).status_code

    async def refused() -> bool:
        return await send() == httpx.codes.SERVICE_UNAVAILABLE

    await watched.asked('approvalflow_group_lag{group="decision"}')  # which is shown of a group that has begun
    decision = watched.stack.children["decision"]
    decision.send(signal.SIGSTOP)
    try:
        await until(refused)
        await watched.told("ServiceDown", PLATFORM, PAGE, job="decision")
        await watched.told("GroupUnconsumed", APPROVALS, PAGE, group="decision")
        await watched.told("BacklogNearBound", APPROVALS, PAGE)
        await watched.told("IntakeBudgetBurn", APPROVALS, PAGE, send)
    finally:
        decision.send(signal.SIGCONT)
    await decided(place)


async def test_a_partition_that_stands_still(watched: Watched, place: Site) -> None:
    async with locked(watched.stack, "approvals.page"):
        for version in range(1, 6):
            assert (await place.hook("updated", "77", version)).status_code == 204
        await watched.told("PartitionStuck", APPROVALS, PAGE, job="decision", group="decision")
    await decided(place)


async def test_commands_that_are_decided_and_events_that_are_recorded_too_late(watched: Watched, place: Site) -> None:
    """A batch each, since the objectives are about batches."""
    async with publisher(watched.stack.broker.bootstrap, idempotent=watched.stack.broker.idempotent) as log:
        async def send() -> None:
            late = now() - timedelta(seconds=10)
            key, value = f"{place.id}:{PAGE_ID}".encode(), a_decision(site_id=place.id).model_dump_json().encode()
            command = Outgoing(INTAKE.name, key, value, headers(RecordDecision, uuid4(), late, "test"))
            await log.publish([command, outgoing(an_event(site_id=place.id, occurred_at=late))])

        await watched.told("DecisionBudgetBurn", APPROVALS, PAGE, send)
        await watched.told("AuditBudgetBurn", APPROVALS, PAGE, send)


async def test_a_database_that_does_not_answer(watched: Watched, place: Site) -> None:
    async def ask() -> None:
        admins = {"admins": [ANN], "read_at": now().isoformat()}
        await place.send("PUT", f"/v1/directory/spaces/{SPACE}/admins", admins, None, wait=0)

    async with locked(watched.stack, "command.idempotency_key"):
        await watched.told("DatabaseAway", PLATFORM, PAGE, ask)


async def test_a_poison_record(watched: Watched, place: Site) -> None:
    await put_on_intake(watched.stack, *poisons(place.id, "666"))
    await watched.told("QuarantineNotEmpty", APPROVALS, TICKET, service="decision")


async def test_a_process_that_starts_again_and_again(watched: Watched, place: Site) -> None:
    for _ in range(3):
        await watched.stack.children["retention"].stop()
        watched.stack.start_service("retention")
        await watched.stack.wait_ready("retention")
        served = (await place.client.get(watched.stack.address("retention") + "/metrics")).text
        [started] = [line.split()[1] for line in served.splitlines() if line.startswith("process_start_time_seconds ")]
        await watched.asked(f'process_start_time_seconds{{job="retention"}} == {started}')
    await watched.told("ServiceRestarting", PLATFORM, TICKET, job="retention")


async def test_forged_signatures(watched: Watched, place: Site) -> None:
    forged = {"Authorization": f"Bearer {watched.stack.issuer.forge(place.id)[:-8]}AAAAAAAA"}
    address = watched.stack.address("command") + "/webhooks/forge"
    answers = await asyncio.gather(*(place.client.post(address, json={}, headers=forged) for _ in range(30)))
    path = f"/v1/directory/spaces/{SPACE}/admins"
    answers.append(await place.client.put(watched.stack.address("command") + path, json={}, headers=forged))
    assert {answer.status_code for answer in answers} == {401}
    await watched.told("ForgedSignatures", SECURITY, PAGE)
    served = (await place.client.get(watched.stack.address("command") + "/metrics")).text
    series = Counter(line.rpartition(" ")[0] for line in served.splitlines() if not line.startswith("#"))
    assert [name for name, count in series.items() if count > 1] == [], "Prometheus would take only one of each"


async def test_someone_who_asks_for_what_is_another_sites(watched: Watched, place: Site) -> None:
    approval = await place.submit("55", await place.workflow(step(approvers(ANN))))
    stranger = Site(watched.stack, place.client, f"site-{uuid4().hex[:12]}")

    async def ask() -> None:
        answers = await asyncio.gather(*(stranger.read(f"/v1/approvals/{approval}", BOB) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {404}

    await watched.told("CrossSiteProbing", SECURITY, PAGE, ask)


async def test_one_who_is_refused_again_and_again(watched: Watched, place: Site) -> None:
    approval = await place.submit("44", await place.workflow(step(approvers(ANN))))
    for _ in range(20):
        assert (await place.approve(approval, BOB)).status_code == 403
    await watched.told("RepeatedRefusals", SECURITY, TICKET)


async def test_an_entry_of_the_audit_log_that_was_changed(watched: Watched, place: Site) -> None:
    db = await asyncpg.connect(watched.stack.postgres.dsn())
    try:
        async def recorded() -> asyncpg.Record | None:
            return await db.fetchrow("SELECT event_id, body FROM audit.entry WHERE site_id = $1", place.id)

        entry = await until(recorded)
        assert entry is not None
        change = "UPDATE audit.entry SET body = $2 WHERE event_id = $1"
        await db.execute(change, entry["event_id"], entry["body"].replace(place.id, "another"))
        await watched.told("AuditChainBroken", SECURITY, PAGE)
        await db.execute(change, entry["event_id"], entry["body"])
    finally:
        await db.close()
