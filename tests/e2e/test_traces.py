"""One trace from a request to the last sink: every hop of it, as a collector gets it from a real run."""

from collections.abc import AsyncIterator
from secrets import token_hex
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from services.local.supervisor import Stack, running
from shared.clock import now
from tests.e2e.collector import Collector, Span, collecting
from tests.e2e.session import cookie
from tests.e2e.site import ADMIN, ANN, Site, approvers, step
from tests.waiting import until

DECIDE_ROUTE = "POST /v1/approvals/{approval_id}/decisions"
PUBLISH, DECIDE = "approvalflow.intake.v1 publish", "approvalflow.intake.v1 decide"
STORE, ARCHIVE, RECEIVE = "approvalflow.events.v1 store", "approvalflow.events.v1 archive", "approvalflow.replies.v1 receive"
HOPS = {
    ("command", PUBLISH): "request",
    ("decision", DECIDE): ("command", PUBLISH),
    ("command", RECEIVE): ("decision", DECIDE),
    ("audit-fanout", STORE): ("decision", DECIDE),
    ("audit-fanout", ARCHIVE): ("decision", DECIDE),
}
"""Every span of a command below its request's, and its parent."""
CONSUMER = 5


@pytest_asyncio.fixture(scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stack, Collector]]:
    """A system that exports its spans."""
    with collecting() as (collector, address), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        async with running(tmp_path_factory.mktemp("traced")) as stack:
            yield stack, collector


@pytest_asyncio.fixture
async def told(traced: tuple[Stack, Collector], client: httpx.AsyncClient) -> Site:
    """A site of that system."""
    site = Site(traced[0], client, f"site-{uuid4().hex[:12]}")
    await site.prepare()
    return site


def of(spans: list[Span], trace: str) -> dict[tuple[str, str], Span]:
    """The spans of one trace by service and name."""
    return {(span.service.removeprefix("approvalflow-"), span.name): span for span in spans if span.trace == trace}


async def whole(collector: Collector, trace: str, request: tuple[str, str], hops: set[tuple[str, str]]) -> dict[tuple[str, str], Span]:
    """All spans of a trace, once they are there."""
    async def there() -> bool:
        return of(collector.spans, trace).keys() >= hops | {request}

    await until(there)
    return of(collector.spans, trace)


def linked(collector: Collector, span: Span) -> Span:
    """The batch a record's span was part of: each links to the other's trace, and the batch has an event for it."""
    assert span.kind == CONSUMER
    [(_, batch_id)] = span.links
    [batch] = [one for one in collector.spans if one.id == batch_id]
    assert (batch.name, batch.parent) == (f"{span.name} batch", "")
    assert (span.trace, span.parent) in batch.links
    assert span.name in batch.events
    return batch


async def test_a_decision_is_one_trace_from_its_request_to_the_last_sink(told: Site, traced: tuple[Stack, Collector]) -> None:
    collector, trace, caller = traced[1], token_hex(16), token_hex(8)
    approval = await told.submit("7", await told.workflow(step(approvers(ANN))))
    response = await told.approve(approval, ANN, traceparent=f"00-{trace}-{caller}-01")
    assert response.status_code == 200
    request = ("command", DECIDE_ROUTE)
    spans = await whole(collector, trace, request, set(HOPS))
    assert spans.keys() == {request, *HOPS}
    assert spans[request].parent == caller
    for hop, parent in HOPS.items():
        assert spans[hop].parent == spans[request if parent == "request" else parent].id, hop  # type: ignore[index]
        if hop[1] != PUBLISH:
            batch = linked(collector, spans[hop])
            assert batch.service == spans[hop].service
    decided = spans["decision", DECIDE]
    assert decided.attributes["approvalflow.outcome"] == "applied"
    assert decided.attributes["approvalflow.command_id"] == response.json()["command_id"]


async def test_one_made_at_the_console_begins_there(told: Site, traced: tuple[Stack, Collector]) -> None:
    await told.done("PUT", "/v1/licence", {"active": True, "read_at": now().isoformat()}, None)
    approval, trace, caller = await told.submit("6", await told.workflow(step(approvers(ANN)))), token_hex(16), token_hex(8)
    form = {"page_version": 1, "step": 0, "round": 1, "version": 1, "key": "a" * 32, "verdict": "approve"}
    async with httpx.AsyncClient(base_url=told.stack.address("console"), cookies=cookie(told.stack, told.id, ANN)) as visitor:
        answer = await visitor.post(
            f"/approvals/{approval}/decisions", data=form,
            headers={"Sec-Fetch-Site": "same-origin", "traceparent": f"00-{trace}-{caller}-01"},
        )
    assert answer.status_code == 303, answer.text
    asked, request = ("console", "POST /approvals/{approval_id}/decisions"), ("command", DECIDE_ROUTE)
    spans = await whole(traced[1], trace, request, {asked, *HOPS})
    assert spans.keys() == {asked, request, *HOPS}
    assert (spans[asked].parent, spans[request].parent) == (caller, spans[asked].id)


async def test_a_webhook_is_too_and_nobody_waits_for_it(told: Site, traced: tuple[Stack, Collector]) -> None:
    before = len(traced[1].spans)
    assert (await told.hook("created", "8", 1)).status_code == 204

    async def there() -> bool:
        return any(span.name == "POST /webhooks/forge" for span in traced[1].spans[before:])

    await until(there)
    [request] = [span for span in traced[1].spans[before:] if span.name == "POST /webhooks/forge"]
    hops = set(HOPS) - {("command", RECEIVE)}
    spans = await whole(traced[1], request.trace, ("command", request.name), hops)
    assert spans.keys() == {("command", request.name), *hops}
    assert request.parent == ""


async def test_a_refused_command_says_why(told: Site, traced: tuple[Stack, Collector]) -> None:
    trace = token_hex(16)
    approval = await told.submit("9", await told.workflow(step(approvers(ANN))))
    response = await told.send(
        "POST", f"/v1/approvals/{approval}/decisions", {"page_version": 2, "verdict": "approve"}, ANN, wait=10,
        traceparent=f"00-{trace}-{token_hex(8)}-01",
    )
    assert response.json()["reason"] == "page_version_stale"
    spans = await whole(traced[1], trace, ("command", DECIDE_ROUTE), set(HOPS))
    assert spans["decision", DECIDE].attributes["approvalflow.outcome"] == "page_version_stale"


async def test_what_a_caller_does_not_trace_is_not_exported(told: Site, traced: tuple[Stack, Collector]) -> None:
    trace = token_hex(16)
    response = await told.send(
        "PUT", "/v1/licence", {"active": True, "read_at": now().isoformat()}, None, traceparent=f"00-{trace}-{token_hex(8)}-00",
    )
    last = token_hex(16)
    await told.send("DELETE", "/v1/workflows/none", None, ADMIN, traceparent=f"00-{last}-{token_hex(8)}-01")

    async def there() -> bool:
        return bool(of(traced[1].spans, last))

    await until(there)
    assert response.status_code == 200
    assert not of(traced[1].spans, trace)
