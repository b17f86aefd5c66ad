"""What each service serves at ``/metrics`` of the state of things, from a real run."""

from collections.abc import AsyncIterator
from functools import partial
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from services.local.supervisor import PARTITIONS, SERVICES, Stack, running
from shared.clock import now
from tests.e2e.site import ANN, BOB, Site, approvers, step
from tests.e2e.test_quarantine import poisons, put_on_intake
from tests.waiting import until

Sample = tuple[frozenset[tuple[str, str]], float]


@pytest_asyncio.fixture(scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A system that looks at itself often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APPROVALFLOW_WATCH_SECONDS", "0.2")
        patch.setenv("APPROVALFLOW_STALL_SECONDS", "10")
        async with running(tmp_path_factory.mktemp("watched")) as stack:
            yield stack


@pytest_asyncio.fixture
async def site_of(watched: Stack, client: httpx.AsyncClient) -> Site:
    """A site of that system."""
    site = Site(watched, client, f"site-{uuid4().hex[:12]}")
    await site.prepare()
    return site


async def served(site: Site, service: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Every sample of a service, by name and labels other than those of the library."""
    text = (await site.client.get(site.stack.address(service) + "/metrics")).text
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = frozenset((name, value) for name, value in sample.labels.items() if not name.startswith("otel_"))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def labels(**named: str) -> frozenset[tuple[str, str]]:
    """Labels as they are served."""
    return frozenset(named.items())


async def counted(site: Site, service: str, name: str) -> bool:
    """Has a service counted anything under this name?"""
    return (await served(site, service)).get(name, {}).get(labels(), 0) > 0


async def test_every_process_tells_how_late_its_loop_is(site_of: Site) -> None:
    for service in SERVICES:
        await until(partial(counted, site_of, service, "approvalflow_process_loop_delay_seconds_count"))


async def test_a_member_shows_where_it_is_in_each_partition_and_what_waits_there(site_of: Site) -> None:
    async def positions() -> dict[frozenset[tuple[str, str]], float]:
        found = (await served(site_of, "decision")).get("approvalflow_consumer_position", {})
        return found if len(found) == PARTITIONS else {}

    before = await until(positions)
    assert before.keys() == {labels(group="decision", partition=str(n)) for n in range(PARTITIONS)}
    await site_of.submit("1", await site_of.workflow(step(approvers(ANN))))

    async def moved() -> bool:
        return sum((await positions()).values()) >= sum(before.values()) + 2

    await until(moved)

    async def nothing_waits() -> bool:
        lag = (await served(site_of, "decision"))["approvalflow_consumer_lag"]
        return lag.keys() == before.keys() and sum(lag.values()) == 0

    async def both_sinks() -> bool:
        audit = (await served(site_of, "audit_fanout")).get("approvalflow_consumer_position", {})
        return {dict(each)["group"] for each in audit} == {"audit-fanout-store", "audit-fanout-archive"}

    await until(nothing_waits)
    await until(both_sinks)


async def test_connections_are_waited_for_and_that_is_told(site_of: Site) -> None:
    for service in ("command", "decision", "audit_fanout", "console"):
        await until(partial(counted, site_of, service, "approvalflow_pool_wait_seconds_count"))


async def test_the_console_shows_quarantine_licences_facts_and_lag(site_of: Site) -> None:
    await site_of.done("PUT", "/v1/licence", {"active": False, "read_at": now().isoformat()}, None)

    async def looked() -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        found = await served(site_of, "console")
        return found if {"approvalflow_quarantine_records", "approvalflow_group_lag"} <= found.keys() else {}

    before = (await until(looked))["approvalflow_quarantine_records"][labels(service="decision")]
    await put_on_intake(site_of.stack, *poisons(site_of.id, "2"))

    async def held() -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        found = await looked()
        if not found or not found["approvalflow_group_lag"].keys() >= {labels(group="decision"), labels(group="audit-fanout-store")}:
            return {}
        return found if found["approvalflow_quarantine_records"][labels(service="decision")] == before + 2 else {}

    found = await until(held)
    assert 0 < found["approvalflow_quarantine_age_seconds"][labels(service="decision")] < 60
    assert found["approvalflow_quarantine_records"][labels(service="audit-fanout")] == 0
    assert found["approvalflow_sites"][labels(licence="inactive")] >= 1
    assert found["approvalflow_facts"][labels(kind="admins", fresh="yes")] >= 1
    assert found["approvalflow_facts"][labels(kind="admins", fresh="no")] == 0


async def test_one_who_is_refused_again_and_again_is_told_of_once(site_of: Site) -> None:
    workflow = await site_of.workflow(step(approvers(ANN)))
    approval = await site_of.submit("3", workflow)
    name = "approvalflow_command_repeated_refusals_total"
    before = (await served(site_of, "command")).get(name, {}).get(labels(), 0)
    for _ in range(21):
        assert (await site_of.approve(approval, BOB)).status_code == 403
    assert (await served(site_of, "command"))[name][labels()] == before + 1
