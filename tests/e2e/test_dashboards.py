"""Every query of every dashboard finds something in a real Prometheus that reads a running system."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from services.cli import reference
from services.local.observe import observing, webhooks
from services.local.supervisor import SERVICES, Stack, running
from tests.e2e.prometheus import needed
from tests.e2e.site import ANN, BOB, Site, approvers, step
from tests.waiting import until

DASHBOARDS = sorted((Path(__file__).parents[2] / "deploy/grafana/dashboards").glob("*.json"))
RANGE = "30s"
"""What Grafana would make of its own range: several times the interval between readings."""
Sample = dict[str, str]


@pytest_asyncio.fixture(scope="module")
async def observed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stack, str]]:
    """A system that looks at itself often, and the address of the Prometheus that reads it every second."""
    needed()
    directory = tmp_path_factory.mktemp("observed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APPROVALFLOW_WATCH_SECONDS", "0.5")
        patch.setenv("APPROVALFLOW_STALL_SECONDS", "10")
        patch.setenv("APPROVALFLOW_VERIFY_SECONDS", "1")
        async with running(directory / "system") as stack:
            targets = {service: stack.address(service) for service in SERVICES}
            async with observing(directory / "observe", targets, webhooks("http://127.0.0.1:9"), faster=15) as observers:
                yield stack, observers.prometheus


@pytest_asyncio.fixture
async def traffic(observed: tuple[Stack, str], client: httpx.AsyncClient) -> AsyncIterator[None]:
    """People approve, are refused, and look, for the length of the test."""
    site = Site(observed[0], client, f"site-{uuid4().hex[:12]}")
    await site.prepare()
    busy = asyncio.create_task(_busy(site, await site.workflow(step(approvers(ANN)))))
    yield
    assert not busy.done(), busy.exception()
    busy.cancel()


async def _busy(site: Site, workflow: str) -> None:
    page = 0
    while True:
        page += 1
        await site.hook("created", str(page), 1)
        approval = await site.submit(str(page), workflow)
        assert (await site.approve(approval, BOB)).status_code == 403
        assert (await site.approve(approval, ANN)).status_code == 200
        await site.read(f"/v1/approvals/{approval}")
        await asyncio.sleep(0.2)  # a load, not a wait


async def ask(client: httpx.AsyncClient, address: str, expression: str) -> list[float]:
    """The numbers it finds now."""
    answer = await client.post(f"{address}/api/v1/query", data={"query": expression.replace("$__rate_interval", RANGE)})
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    numbers = (float(sample["value"][1]) for sample in answer.json()["data"]["result"])
    return [number for number in numbers if not math.isnan(number)]


def expressions(dashboard: Path) -> Iterator[str]:
    for panel in json.loads(dashboard.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
async def test_every_query_finds_something(dashboard: Path, observed: tuple[Stack, str], client: httpx.AsyncClient) -> None:
    empty = list(expressions(dashboard))
    assert empty

    async def nothing_is_empty() -> bool:
        empty[:] = [expression for expression in empty if not await ask(client, observed[1], expression)]
        return not empty

    try:
        await until(nothing_is_empty, 60)
    except TimeoutError:
        pytest.fail("\n".join(["these found nothing:", *empty]))


@pytest.mark.usefixtures("traffic")
async def test_what_is_served_has_the_labels_that_the_reference_says(observed: tuple[Stack, str], client: httpx.AsyncClient) -> None:
    said = {sample: set(metric.labels) for metric in reference.metrics() for sample in metric.samples}

    async def served() -> list[Sample]:
        answer = await client.get(f"{observed[1]}/api/v1/series", params={"match[]": '{__name__=~"approvalflow_.+"}'})
        found: list[Sample] = answer.json()["data"]
        return found if len({each["__name__"] for each in found}) > len(said) / 2 else []

    for series in await until(served):
        labels = {name for name in series if not name.startswith("otel_")} - {"__name__", "job", "instance", "le"}
        assert labels == said[series["__name__"]], series["__name__"]
