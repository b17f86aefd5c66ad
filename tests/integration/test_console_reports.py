"""Reports for owners and space admins, on the real database."""

import json
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.console.store import reports
from shared.clock import now
from tests.builders import NOON, a_definition, a_step, accounts
from tests.integration.console_browser import Browser, browsing, two_sites
from tests.integration.console_data import ONE, TWO, Data
from tests.stack import Database

NONE = "\N{EN DASH}"


@pytest.fixture(scope="module")
async def browser(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with browsing(database, tmp_path_factory.mktemp("state")) as started:
        yield started


@pytest.fixture
async def data(database: Database) -> AsyncIterator[Data]:
    async with two_sites(database) as rows:
        yield rows


class Audited:
    """Audit entries of one site, at chosen times, and the approvals they are about."""

    def __init__(self, data: Data) -> None:
        self._data, self._position = data, 0

    async def entry(self, at: datetime, kind: str, site: str = ONE, space_id: str = "10", workflow_id: str = "wf-1", **said: Any) -> None:
        """Something that was recorded."""
        self._position += 1
        await self._data._db.execute("SELECT audit.ensure_month($1)", at)
        await self._data._insert("audit.entry", {
            "partition": 0, "position": self._position, "event_id": uuid4(), "site_id": site, "page_id": said.get("page_id"),
            "space_id": space_id, "workflow_id": workflow_id, "event_type": f"approvalflow.event.{kind}.v1", "occurred_at": at,
            "body": json.dumps({"data": said}), "hash": bytes(32),
        })

    async def ended(self, page_id: str, at: datetime, took: timedelta, status: str = "approved", **where: str) -> None:
        """An approval that ended, and is still its page's present one."""
        site = where.get("site", ONE)
        await self._data.page(page_id, site, status=status, submitted_at=at - took, space_id=where.get("space_id", "10"))
        kind = "approval-cancelled" if status == "cancelled" else "decision-recorded"
        await self.entry(at, kind, page_id=page_id, approval_id=f"{page_id}-1", status=status, **where)


def _rows(seen: str) -> list[list[str]]:
    """The cells of each row of the tables, without their markup."""
    rows = re.findall("<tr>(.*?)</tr>", seen)
    return [[re.sub("<[^>]*>", "", cell).strip() for cell in re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


async def test_a_report_counts_what_ended_in_its_days(browser: Browser, data: Data) -> None:
    audited, hours = Audited(data), timedelta(hours=1)
    await data.workflow(a_definition(a_step(accounts("ann"))))
    for n in range(10):
        await audited.ended(f"a{n}", NOON + n * hours, (n + 1) * hours, "rejected" if n == 9 else "approved")
    await audited.ended("early", NOON - timedelta(days=30), hours)
    await audited.ended("elsewhere", NOON, 900 * hours, space_id="11")
    await audited.ended("theirs", NOON, 900 * hours, site=TWO)
    await audited.ended("gone", NOON + timedelta(days=7), 2 * hours, "cancelled")
    await audited.entry(NOON, "decision-recorded", page_id="a1", approval_id="a1-1", status="open")
    await audited.entry(NOON, "decision-recorded", page_id="nobody", approval_id="nobody-1", status="approved")
    for reason, times in (("four_eyes", 2), ("not_an_approver", 3)):
        for _ in range(times):
            await audited.entry(NOON, "command-refused", reason=reason, page_id="a1")
    days = "from=2026-10-26&to=2026-11-09"
    seen = await browser.read(f"/reports?space=10&{days}", "dave")
    rows = _rows(seen)
    assert rows[1:4] == [
        ["26 Oct 2026", NONE, NONE, "0", "0", "0"], ["2 Nov 2026", "5 h 30 min", "9 h 6 min", "9", "1", "0"],
        ["9 Nov 2026", "2 h", "2 h", "0", "0", "1"],
    ]
    assert [row for row in rows if row[-1] in ("2", "3")] == [
        ["You are not an approver of the active step.", "3"], ["The author or last editor of a version may not approve it.", "2"],
    ]
    assert _rows(await browser.read(f"/reports?workflow=wf-1&space=10&{days}", "olga")) == rows
    both = _rows(await browser.read(f"/reports?workflow=wf-1&{days}", "olga"))
    assert both[2][-3:] == ["10", "1", "0"]


async def test_the_last_end_of_an_approval_counts_and_a_former_one_too(browser: Browser, data: Data) -> None:
    audited = Audited(data)
    await data.workflow()
    await data.page(run=2, submitted_at=NOON - timedelta(hours=5))
    await data.former(submitted_at=NOON - timedelta(hours=40))
    await audited.entry(NOON - timedelta(hours=10), "decision-recorded", page_id="900", approval_id="900-1", status="rejected")
    await audited.entry(NOON, "decision-recorded", page_id="900", approval_id="900-2", status="rejected")
    await audited.entry(NOON + timedelta(hours=5), "decision-recorded", page_id="900", approval_id="900-2", status="approved")
    rows = _rows(await browser.read("/reports?space=10&from=2026-11-02&to=2026-11-02", "dave"))
    assert rows[1] == ["2 Nov 2026", "20 h", "1 d 4 h", "1", "1", "0"]


async def test_a_report_tells_where_approvals_wait_and_for_how_long(browser: Browser, data: Data) -> None:
    await data.workflow(a_definition(a_step(), a_step().model_copy(update={"name": "release"}), name="Policies"))
    for n, (age, step) in enumerate(((1, 0), (25, 0), (24 * 8, 0), (24 * 9, 1))):
        await data.page(f"9{n}", submitted_at=now() - timedelta(hours=age), step=step)
    await data.page("done", status="approved")
    await data.page("elsewhere", space_id="11")
    await data.page("theirs", site=TWO)
    seen = await browser.read("/reports?space=10", "dave")
    assert [row for row in _rows(seen) if "Policies" in row[0]] == [
        ["release in Policies, version 1", "1", "0", "0", "1", "9 d ago"], ["review in Policies, version 1", "3", "1", "1", "1", "8 d ago"],
    ]
    assert seen.count('<svg class="chart"') == 1
    assert re.search(r'aria-labelledby="waiting-t waiting-d".*<title id="waiting-t">', seen)


async def test_a_report_looks_at_so_many_entries_and_says_so(
    browser: Browser, data: Data, monkeypatch: pytest.MonkeyPatch,
) -> None:
    audited = Audited(data)
    await data.workflow()
    for n in range(5):
        await audited.ended(f"a{n}", NOON + timedelta(minutes=n), timedelta(hours=1))
    monkeypatch.setattr(reports, "MOST_ENTRIES", 3)
    seen = await browser.read("/reports?space=10&from=2026-11-02&to=2026-11-02", "dave")
    assert ("More happened than one report looks at" in seen, _rows(seen)[1][3]) == (True, "3")
    monkeypatch.undo()
    assert "More happened" not in await browser.read("/reports?space=10&from=2026-11-02&to=2026-11-02", "dave")


@pytest.mark.parametrize(("first", "last"), [("2026-01-01", "2026-11-02"), ("soon", ""), ("2026-11-03", "2026-11-02")])
async def test_days_that_cannot_be_reported_of_come_back_as_typed(browser: Browser, data: Data, first: str, last: str) -> None:
    response = await browser.get(f"/reports?space=10&from={first}&to={last}", "dave")
    assert (response.status_code, 'role="alert"' in response.text, f'value="{first}"' in response.text) == (422, True, True)


async def test_whoever_has_no_say_is_told_whom_reports_are_for(browser: Browser, data: Data) -> None:
    await data.workflow()
    assert "you do neither" in await browser.read("/reports", "eve")
    assert "/base/reports?space=10" in await browser.read("/reports", "dave")
    assert "/base/reports?workflow=wf-1" in await browser.read("/reports", "olga")
