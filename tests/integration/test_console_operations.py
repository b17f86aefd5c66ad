"""What operators find out and ask for: quarantine, the audit log across sites, retention, and sites."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from structlog.testing import capture_logs

from services.local.child import free_port
from shared.clock import now
from tests.builders import NOON
from tests.integration.console_data import ONE, TWO, Data
from tests.integration.console_stack import filling, running, settings_for
from tests.integration.console_visits import providing, visiting
from tests.stack import Database

KEY = f"{ONE}:900"
ONCE = "5f" * 16
HERE = f"/operations/quarantine/decision/{ONE}%3A900"


@pytest.fixture(scope="module")
async def ola(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """An operator's browser. Neither ``command`` nor a broker nor any other service is there."""
    async with providing(tmp_path_factory.mktemp("state")) as issuer:
        settings = settings_for(database, issuer, command_url=f"http://127.0.0.1:{free_port()}", kafka=f"127.0.0.1:{free_port()}")
        async with running(settings, issuer) as console, visiting(console, "ola", operator=True) as browser:
            yield browser


@pytest.fixture
async def data(database: Database) -> AsyncIterator[Data]:
    async with filling(database) as rows:
        yield rows


@pytest.fixture
async def superuser(database: Database, data: Data) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn())
    yield connection
    await connection.execute("TRUNCATE retention.run, audit.removed")
    await connection.close()


async def page(browser: httpx.AsyncClient, path: str, status: int = 200) -> str:
    response = await browser.get(path)
    assert response.status_code == status, response.text
    return " ".join(response.text.split())


async def poisoned(data: Data, key: str = KEY) -> None:
    """One that cannot be read, and one behind it."""
    await data.quarantined(key, log_offset=11)
    await data.quarantined(key, log_offset=12, reason="waiting", detail="")


async def test_a_key_shows_its_records_in_order_and_nothing_of_what_they_say(ola: httpx.AsyncClient, data: Data) -> None:
    await data.quarantined(KEY, log_offset=10, set_aside=True)
    await poisoned(data)
    seen = await page(ola, HERE)
    assert seen.index("offset 11 · 14 bytes") < seen.index("offset 12 · 14 bytes") < seen.index("Set aside") < seen.index("offset 10")
    assert "missing at page_id" in seen
    assert "words" not in seen


@pytest.mark.parametrize(("do", "again", "fates"), [
    ("release", 0, ("cannot be read as it is, and stops the release", "goes on waiting behind it")),
    ("set_aside", 1, ("set aside: kept, and in nobody&#39;s way", "handled again")),
])
async def test_a_dry_run_says_what_would_become_of_each(
    ola: httpx.AsyncClient, data: Data, do: str, again: int, fates: tuple[str, str],
) -> None:
    await poisoned(data)
    seen = await page(ola, f"{HERE}?do={do}")
    assert f"<b>{again} of 2</b> would be handled again" in seen
    assert seen.index(f"</span> {fates[0]}") < seen.index(f"</span> {fates[1]}")


@pytest.mark.parametrize("key", ["?3/17", "<b>odd</b>:7", "a b:%2F", "", "ключ"])
async def test_any_key_has_a_page(ola: httpx.AsyncClient, data: Data, key: str) -> None:
    await data.quarantined(key, "audit")
    listed = await page(ola, "/operations/quarantine")
    [link] = [part.partition('"')[0] for part in listed.split('href="/base') if part.startswith("/operations/quarantine/")]
    seen = await page(ola, link)
    assert "Partition 0, offset 1" in seen
    assert "Dry run: release" in seen
    assert "Dry run: set the first aside" not in seen
    assert "<b>odd" not in seen


@pytest.mark.parametrize("path", [HERE, "/operations/quarantine/audit-fanout/nothing"])
async def test_a_key_under_which_nothing_waits_is_not_found(ola: httpx.AsyncClient, data: Data, path: str) -> None:
    await page(ola, path, 404)


async def test_a_release_of_what_has_changed_since_is_not_asked_for(ola: httpx.AsyncClient, data: Data) -> None:
    await poisoned(data)
    answer = await ola.post(HERE, data={"do": "release", "first": "0/10", "once": ONCE})
    assert (answer.status_code, "has changed since you looked" in answer.text) == (409, True)


async def test_a_release_that_cannot_be_asked_for_is_said_and_can_be_tried_again(ola: httpx.AsyncClient, data: Data) -> None:
    await poisoned(data)
    answer = await ola.post(HERE, data={"do": "set_aside", "first": "0/11", "once": ONCE})
    assert (answer.status_code, "It cannot be accepted just now" in answer.text) == (503, True)
    assert 'value="set_aside"' in answer.text


async def test_a_form_that_the_console_did_not_make_asks_for_nothing(ola: httpx.AsyncClient, data: Data) -> None:
    await poisoned(data)
    good = {"do": "release", "first": "0/11", "once": ONCE}
    for wrong in ({"once": "ключ"}, {"once": ""}, {"do": "erase"}, {"first": "0" * 41}):
        assert (await ola.post(HERE, data=good | wrong)).status_code == 422, wrong


async def test_a_form_of_another_page_releases_nothing(ola: httpx.AsyncClient, data: Data) -> None:
    await poisoned(data)
    said = {"do": "release", "first": "0/11", "once": ONCE}
    assert (await ola.post(HERE, data=said, headers={"Origin": "https://elsewhere.example"})).status_code == 403


@pytest.mark.parametrize(("reason", "event", "said"), [
    (None, {"released": 2, "remaining": 1}, "Released: 2 handled again, 1 still waiting."),
    ("not_permitted", {}, "It was not released."),
])
async def test_what_became_of_a_release_is_said(
    ola: httpx.AsyncClient, data: Data, reason: str | None, event: dict[str, int], said: str,
) -> None:
    command_id = await data.outcome("900", reason=reason, event=json.dumps(event), version=0)
    assert said in await page(ola, f"{HERE}?asked={command_id}")
    assert "on its way" in await page(ola, f"{HERE}?asked={UUID(int=7)}")


async def test_entries_of_any_site_are_found_by_each_index_and_verified(ola: httpx.AsyncClient, data: Data) -> None:
    await data.entries(
        {"page_id": "31", "space_id": "10", "actor_id": "ann"}, {"page_id": "32", "space_id": "11", "workflow_id": "wf-9"},
        {"page_id": "31", "site_id": TWO},
    )
    for index, named, found in (("time", "", 2), ("pages", "31", 1), ("spaces", "11", 1), ("workflows", "wf-9", 1), ("actors", "ann", 1)):
        seen = await page(ola, f"/operations/audit?site={ONE}&index={index}&id={named}&verify=true")
        assert f"{found} {'entry' if found == 1 else 'entries'} of {ONE}" in seen
        assert f"All {found} are as they were written" in seen
    assert "1 entry of" in await page(ola, f"/operations/audit?site={ONE}&from=2026-11-02T12:01:30&to=2026-11-02T12:03")


async def test_a_changed_entry_is_marked_where_it_is(ola: httpx.AsyncClient, data: Data, superuser: asyncpg.Connection) -> None:
    await data.entries(*({"page_id": f"3{n}"} for n in range(5)))
    await superuser.execute("""UPDATE audit.entry SET body = replace(body, '"32"', '"99"') WHERE position = 3""")
    seen = await page(ola, f"/operations/audit?site={ONE}&verify=true")
    assert "1 of 5 is not as written" in seen
    assert seen.count("The entry is not the one that was written here") == 1
    chain = await page(ola, "/operations/audit/chains/0")
    assert '<b class="bad">Position 3</b>: the entry is not the one that was written here' in chain
    assert "2 entries are as written" in await page(ola, "/operations/audit/chains/0?first=4&last=99")


async def test_what_retention_took_out_is_accounted_for(ola: httpx.AsyncClient, data: Data, superuser: asyncpg.Connection) -> None:
    await data.entries(*({"page_id": f"3{n}"} for n in range(5)))
    await superuser.execute("""
        INSERT INTO audit.removed SELECT partition, 1, 2, hash, hash, gen_random_uuid() FROM audit.entry WHERE position = 2
    """)
    await superuser.execute("DELETE FROM audit.entry WHERE position <= 2")
    seen = await page(ola, "/operations/audit/chains/0")
    assert "3 entries are as written; 2 were taken out by retention" in seen
    await superuser.execute("DELETE FROM audit.entry WHERE position = 4")
    seen = await page(ola, "/operations/audit/chains/0")
    assert ("Position 4</b>: the entry is missing" in seen, "Position 5</b>: the entry before it is missing" in seen) == (True, True)


async def test_many_entries_come_page_by_page(ola: httpx.AsyncClient, data: Data) -> None:
    await data.entries(*({"page_id": f"p{n:03}"} for n in range(60)))
    first = await page(ola, f"/operations/audit?site={ONE}&order=oldest")
    assert ("p049" in first, "p050" in first) == (True, False)
    link = next(href for part in first.split('href="/base') if "cursor=" in (href := part.partition('"')[0])).replace("&amp;", "&")
    second = await page(ola, link)
    assert ("p049" in second, "p050" in second, "p059" in second) == (False, True, True)
    await page(ola, link.replace(f"site={ONE}", f"site={TWO}"), 422)


async def test_that_an_operator_looked_is_logged_with_who_and_whose(ola: httpx.AsyncClient, data: Data) -> None:
    with capture_logs() as said:
        await page(ola, f"/operations/audit?site={TWO}&index=pages&id=31")
        await page(ola, "/operations/audit")
    looks = [one for one in said if one["event"] == "audit log read by an operator"]
    assert looks == [{"event": "audit log read by an operator", "log_level": "warning", "site_id": TWO, "actor_id": "ola", "kind": "pages"}]


@pytest.mark.parametrize("query", ["site=a%20b", f"site={ONE}&index=pages", f"site={ONE}&from=yesterday", f"site={ONE}&cursor=forged"])
async def test_a_search_that_is_none_is_refused(ola: httpx.AsyncClient, data: Data, query: str) -> None:
    await page(ola, f"/operations/audit?{query}", 422)


async def test_runs_of_retention_are_shown_with_their_digests_even_if_retention_is_away(
    ola: httpx.AsyncClient, superuser: asyncpg.Connection,
) -> None:
    add = """
        INSERT INTO retention.run (run_id, site_id, kind, before, removed, digest, finished_at)
        VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6)
    """
    await superuser.execute(add, ONE, "idempotency_keys", NOON, 4711, b"\xab" * 32, NOON)
    await superuser.execute(add, TWO, "audit", NOON, 5, b"", None)
    seen = await page(ola, "/operations/retention")
    assert ("4,711 idempotency keys" in seen, "ab" * 32 in seen, "not finished" in seen) == (True, True, True)
    assert "Retention does not answer" in seen
    assert "4,711" not in await page(ola, f"/operations/retention?site={TWO}")


async def test_sites_tell_their_licence_how_fresh_what_is_known_is_and_how_much_waits(
    ola: httpx.AsyncClient, data: Data, superuser: asyncpg.Connection,
) -> None:
    await superuser.execute("INSERT INTO directory.site (site_id, licence_active, licence_read_at) VALUES ($1, false, $2)", ONE, NOON)
    await data.space(now(), ["dora"])
    await data.space(now() - timedelta(days=90), ["dora"], "11")
    await data.group(now(), ["ann"])
    await data.page("1")
    await data.page("2", status="approved")
    await poisoned(data)
    await data.quarantined(KEY, log_offset=13, set_aside=True)
    await data.page("3", site=TWO)
    seen = await page(ola, "/operations/sites?site=site-o")
    [row] = seen.partition("<tbody>")[2].split("</tr>")[:-1]
    cells = [part.partition("</td>")[0] for part in row.split('data-label="')[1:]]
    assert 'class="bad">inactive' in cells[0]
    assert [cell.partition(">")[2] for cell in (*cells[1:4], cells[5])] == ["2", "1", "1 fresh", "2"]
    assert "1 of 2 too old" in cells[4]
    assert TWO not in seen
    assert TWO in await page(ola, f"/operations/sites?site={TWO}")
    assert "No such site is known." in await page(ola, "/operations/sites?site=nowhere")


async def test_many_sites_come_page_by_page(ola: httpx.AsyncClient, superuser: asyncpg.Connection) -> None:
    await superuser.execute("INSERT INTO directory.site (site_id) SELECT 's-' || lpad(n::text, 3, '0') FROM generate_series(1, 30) n")
    first = await page(ola, "/operations/sites?site=s-")
    assert ("s-025<" in first, "s-026<" in first) == (True, False)
    second = await page(ola, "/operations/sites?site=s-&after=s-025")
    assert ("s-025<" in second, "s-026<" in second, "s-030<" in second) == (False, True, True)
