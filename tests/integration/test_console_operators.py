"""The operator's pages: who gets in, what they show, and what they never do."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from fastapi.routing import iter_route_contexts

from services.console.headers import HEADERS
from services.console.web import operations
from services.local.child import free_port
from services.local.issuer import LocalIssuer
from shared.contracts.topics import INTAKE
from tests.builders import NOON
from tests.integration.console_data import ONE, Data
from tests.integration.console_stack import Console, filling, running, settings_for
from tests.integration.console_visits import providing, visiting
from tests.stack import Database, Log


@contextmanager
def service(status: int, body: bytes) -> Iterator[str]:
    """The address of a service that says this of its readiness."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
async def issuer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalIssuer]:
    async with providing(tmp_path_factory.mktemp("state")) as one:
        yield one


@pytest.fixture(scope="module")
async def console(database: Database, issuer: LocalIssuer, broker: Log, topics: list[str]) -> AsyncIterator[Console]:
    with (
        service(200, b'{"database": true}') as good, service(503, b'{"database": true, "log": false}') as bad,
        service(200, b"[") as odd, socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        services = {"command": good, "decision": bad, "retention": odd, "audit_fanout": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        settings = settings_for(database, issuer, services=services, kafka=broker.bootstrap, look_seconds=1.5)
        async with running(settings, issuer) as started:
            yield started


@pytest.fixture(scope="module")
async def ola(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """An operator's browser."""
    async with visiting(console, "ola", operator=True) as browser:
        yield browser


@pytest.fixture
async def data(database: Database) -> AsyncIterator[Data]:
    async with filling(database) as rows:
        yield rows


async def page(browser: httpx.AsyncClient, path: str = "/operations") -> str:
    response = await browser.get(path)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store"), response.text
    return " ".join(response.text.split())


ROUTES = sorted(
    (method, str(route.path).replace("{service}", "decision").replace("{key:path}", "x").replace("{partition}", "0"))
    for route in iter_route_contexts(operations.routes.routes) for method in route.methods or ()
)


def test_every_page_is_among_them() -> None:
    assert len(ROUTES) >= 8
    assert all(path.startswith("/operations") for _, path in ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_to_anybody_else_no_such_page_exists(console: Console, method: str, path: str) -> None:
    async with visiting(console, "ann") as ann:
        refused, unknown = await ann.request(method, path), await ann.request(method, "/nothing/of/the/kind")
        assert (refused.status_code, unknown.status_code) == (404, 404)
        assert "There is no such thing on this site." in refused.text
        assert refused.text == unknown.text


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_who_has_not_signed_in_is_asked_to(console: Console, method: str, path: str) -> None:
    async with visiting(console, None) as nobody:
        answer = await nobody.request(method, path)
        if method == "GET":
            assert (answer.status_code, answer.headers["location"]) == (303, f"/base/signin?to={path}")
        else:
            assert answer.status_code == 401


async def test_a_password_or_a_forge_token_is_no_way_in(console: Console) -> None:
    async with visiting(console, None) as nobody:
        assert (await nobody.get("/operations", auth=("operator", console.issuer.sign_in_password))).status_code == 303
    assert (await console.get("/operations", None)).status_code == 303


async def test_each_service_is_ready_or_says_why_not(ola: httpx.AsyncClient, data: Data) -> None:
    seen = await page(ola)
    for name, kind, said in (("command", "good", "ready"), ("decision", "bad", "log"), ("retention", "bad", "an answer that is none"),
                             ("audit-fanout", "bad", "no answer")):
        assert f'<li class="{kind}"><span class="mark"></span><b>{name}</b> <span class="quiet">{said}</span></li>' in seen
    assert '<h1 class="bad">Decision is not ready</h1>' in seen


async def test_lag_is_the_end_of_the_log_less_what_is_committed(ola: httpx.AsyncClient, broker: Log, data: Data) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    for partition, count in ((0, 2), (3, 5)):
        for _ in range(count):
            await producer.send_and_wait(INTAKE.name, b"x", partition=partition)
    await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, group_id="decision", enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(INTAKE.name, 3)])
    await consumer.commit({TopicPartition(INTAKE.name, 3): 4})
    await consumer.stop()
    seen = await page(ola)
    assert '<td>decision</td><td class="wide quiet">intake.v1</td> <td class="number">3</td><td class="number wide quiet">0</td>' in seen
    assert '<td>audit-fanout-archive <span class="quiet">has never committed</span></td><td class="wide quiet">events.v1</td>' in seen


async def test_the_last_outcomes_are_those_recorded_last_with_reasons_and_ids(ola: httpx.AsyncClient, data: Data) -> None:
    refusal = "approvalflow.event.command-refused.v1"
    await data.entries(*({"page_id": f"old{n}"} for n in range(30)))
    await data.entries({"page_id": "31337", "workflow_id": "wf-1", "event_type": refusal, "reason": "four_eyes"}, partition=1)
    seen = await page(ola)
    assert seen.index("31337") < seen.index("old29") < seen.index("old11")
    assert "old10<" not in seen
    assert "command refused <b>four_eyes</b>" in seen
    assert "31 entries in all" in seen


async def test_quarantine_is_shown_by_key_and_never_what_it_holds(ola: httpx.AsyncClient, data: Data) -> None:
    await data.quarantined(f"{ONE}:7", log_offset=1)
    await data.quarantined(f"{ONE}:7", log_offset=2, reason="waiting", detail="")
    await data.quarantined("<script>:8", log_offset=3, set_aside=True)
    await data.quarantined("<b>odd</b>", "audit", reason="unhandled", detail="KeyError")
    await data.quarantined("released", "audit", log_offset=9, released_at=NOON)
    seen = await page(ola)
    assert f'<a href="/base/operations/quarantine/decision/{ONE}%3A7">{ONE}:7</a></td><td class="number">2</td>' in seen
    assert "&lt;b&gt;odd&lt;/b&gt;" in seen
    assert '<p class="also bad">3 in quarantine</p>' in seen
    assert "other keys" not in seen
    assert not any(hidden in seen for hidden in ("words", "&lt;script", "released", "<b>odd"))


async def test_of_many_keys_the_longest_waiting_are_shown_and_all_counted(ola: httpx.AsyncClient, data: Data) -> None:
    for n in range(55):
        await data.quarantined(f"{ONE}:k{n}", log_offset=n, held_at=NOON + timedelta(minutes=n))
    seen = await page(ola)
    assert ("55 in quarantine" in seen, "5 more wait under other keys" in seen) == (True, True)
    assert seen.index(f"{ONE}:k0<") < seen.index(f"{ONE}:k49<")
    assert f"{ONE}:k50<" not in seen


async def test_what_cannot_be_looked_at_is_said_and_holds_nothing_up(database: Database, issuer: LocalIssuer, data: Data) -> None:
    settings = settings_for(database, issuer, kafka=f"127.0.0.1:{free_port()}", look_seconds=1)
    async with running(settings, issuer) as console, visiting(console, operator=True) as ola:
        await data.entries({"page_id": "31337"})
        seen = await page(ola)
        assert '<h1 class="bad">The broker does not answer</h1>' in seen
        assert "31337" in seen


@pytest.mark.parametrize("path", [
    "/", "/signin", "/static/console.css", "/operations", "/v1/audit", "/nowhere", "/health/live", "/metrics", "/openapi.json",
])
async def test_every_answer_tells_browsers_what_to_refuse(console: Console, path: str) -> None:
    response = await console.client.get(path)
    for name in HEADERS.keys() - {"Cache-Control"}:
        assert response.headers[name] == HEADERS[name], name
    assert "unsafe" not in response.headers["content-security-policy"]


async def test_an_error_nobody_foresaw_carries_them_too(database: Database, issuer: LocalIssuer) -> None:
    async with running(settings_for(database, issuer), issuer) as console:
        app = console.client._transport.app  # type: ignore[attr-defined]  # the transport keeps what it was given
        app.state.reads = None
        response = await console.get("/v1/audit", None)
        assert (response.status_code, response.json()["reason"]) == (500, "unavailable")
        assert response.headers["x-frame-options"] == "DENY"


async def test_the_pages_need_nothing_from_elsewhere(console: Console, ola: httpx.AsyncClient, data: Data) -> None:
    for path in {path for method, path in ROUTES if method == "GET"}:
        response = await ola.get(path)
        assert not any(part in response.text for part in ("<script>", "https://", " style=", "<style", "onclick")), path
        assert "http://" not in response.text.replace(console.issuer.provider, ""), path
    style = await ola.get("/static/console.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in style.text
