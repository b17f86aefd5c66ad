"""The pages for owners and space admins over HTTP, with the console's own role on the real database."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.clock import now
from shared.contracts.workflow import All, Quorum
from tests.builders import a_definition, a_step, accounts, groups
from tests.integration.console_browser import Browser, browsing, two_sites
from tests.integration.console_data import ONE, TWO, Data
from tests.stack import Database

STALE = timedelta(hours=25)
KEY = "0" * 32
CHANGES = ("/workflows/wf-1/edit", "/workflows/wf-1/archive", "/reports?workflow=wf-1", "/workflows/new?space=10", "/reports?space=10")
READS = ("/workflows/wf-1", "/workflows/wf-1/versions?from=1&to=1")
FORM = {
    "name": "Policies", "owners": "dave", "on_edit": "reset", "four_eyes": "on", "key": KEY, "version": "1", "workflow_version": "1",
    "step-0-name": "review", "step-0-approvers": "ann\ngroup:g1\ngroup:old\ngroup:none", "step-0-rule": "quorum", "step-0-n": "4",
}


@pytest.fixture(scope="module")
async def browser(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with browsing(database, tmp_path_factory.mktemp("state")) as started:
        yield started


@pytest.fixture
async def data(database: Database) -> AsyncIterator[Data]:
    async with two_sites(database) as rows:
        yield rows


def main(response: httpx.Response) -> str:
    found = re.search("<main.*</main>", response.text, re.DOTALL)
    assert found is not None
    return found[0]


async def event(data: Data, version: int, change: str, **changes: Any) -> None:
    """Something that happened to a workflow."""
    said = {"version": version, "change": change, "actor_id": "olga", "workflow_version": version, **changes}
    await data.outcome("wf-1", version=version, event_type="approvalflow.event.workflow-event.v1", event=json.dumps(said))


@pytest.mark.parametrize("path", [*READS, *CHANGES])
async def test_what_is_on_another_site_does_not_exist(browser: Browser, data: Data, path: str) -> None:
    await data.workflow(site=TWO, space_id="12")
    path = path.replace("space=10", "space=12")
    assert (await browser.get(path, "dave", TWO)).status_code == 200
    nowhere = path.replace("wf-1", "wf-none").replace("space=12", "space=none")
    refused, absent = await browser.get(path, "dave", ONE), await browser.get(nowhere, "dave", ONE)
    assert (refused.status_code, main(refused)) == (404 if path in READS else 403, main(absent))
    assert "Policies" not in await browser.read("/workflows", "dave", ONE)


@pytest.mark.parametrize("path", CHANGES)
async def test_a_stranger_is_told_the_same_as_of_what_does_not_exist(browser: Browser, data: Data, path: str) -> None:
    await data.workflow()
    refused = await browser.get(path, "eve")
    absent = await browser.get(path.replace("wf-1", "wf-none").replace("space=10", "space=none"), "eve")
    assert (refused.status_code, main(refused)) == (403, main(absent))
    assert (await browser.get(path, "dave")).status_code == 200
    assert (await browser.get(path, "olga")).status_code == (403 if "space" in path else 200)


async def test_the_workflow_a_space_uses_gives_its_owner_no_say_in_the_space(browser: Browser, data: Data) -> None:
    await data.workflow()
    await data.assign("space", "10")
    for path in ("/reports?space=10", "/workflows/new?space=10"):
        assert (await browser.get(path, "olga")).status_code == 403


@pytest.mark.parametrize("form", ["/workflows/wf-1/edit", "/workflows/wf-1/archive", "/workflows/wf-1/assignments", "/workflows/new"])
async def test_forms_are_ours_and_from_those_who_may(browser: Browser, data: Data, form: str) -> None:
    await data.workflow()
    said = FORM | {"do": "save", "space": "10", "scope": "page", "scope_id": "7"}
    assert (await browser.post(form, said, "dave", by="cross-site")).status_code == 403
    assert (await browser.post(form, said, "eve")).status_code == 403
    assert (await browser.post(form, said, "dave")).status_code == 503


async def test_workflows_are_listed_by_space_and_those_one_may_change_are_marked(browser: Browser, data: Data) -> None:
    await data.space(now() - STALE, ["dave"], "11")
    await data.workflow(a_definition(a_step(), a_step(), name="<b>Policies"), workflow_version=3)
    await data.workflow(a_definition(name="Other"), workflow_id="wf-2", space_id="11", owners=["ann"])
    await data.workflow(a_definition(name="Gone"), workflow_id="wf-3", archived=True)
    await data.assign("space", "10")
    for page_id in ("900", "901"):
        await data.assign("page", page_id)
    seen = await browser.read("/workflows", "dave")
    assert '<b>&lt;b&gt;Policies</b></a> <span class="badge">You may change it</span> <p>review → review</p>' in seen
    assert "Version 3 · in use for the whole space and 2 pages</p>" in seen
    assert (seen.count("You may change it"), "Gone" in seen, seen.index("Space 10<") < seen.index("Space 11<")) == (1, False, True)
    assert "<option>10</option> </select>" in seen
    assert "New workflow" not in await browser.read("/workflows", "ann")
    assert (await browser.read("/workflows", "ann")).count("You may change it") == 1
    only = await browser.read("/workflows?space=11&archived=true", "dave")
    assert ("Other" in only, "Policies" in only) == (True, False)
    gone = await browser.read("/workflows?archived=true", "dave")
    assert ("Archived</span>" in gone, gone.count("You may change it")) == (True, 1)


async def test_a_long_list_goes_on_where_it_ended(browser: Browser, data: Data) -> None:
    for n in range(102):
        await data.workflow(workflow_id=f"wf-{n:03}", space_id=str(10 + n // 60))
    found, path = [], "/workflows"
    while path:
        seen = await browser.read(path)
        found += re.findall(r"/workflows/(wf-[0-9]+)\"", seen)
        more = re.search(r'href="/base(/workflows\?[^"]*)">Show more', seen)
        path = more[1].replace("&amp;", "&") if more else ""
    assert found == [f"wf-{n:03}" for n in range(102)]


async def test_everybody_reads_a_workflow_and_whoever_may_is_offered_to_change_it(browser: Browser, data: Data) -> None:
    await data.workflow(a_definition(a_step(groups("g1"), Quorum(n=2)), four_eyes=False), owners_read_at=now() - STALE)
    await data.page()
    await event(data, 1, "created")
    await event(data, 2, "assigned", scope="page", scope_id="900")
    await data.assign("page", "900")
    seen = await browser.read("/workflows/wf-1", "ann")
    assert '2 people must approve: <span class="who-is">group <b>g1</b></span>' in seen
    for part in ("1 open approval<", "assigned it to page 900", "created it", "/base/pages/900", "Owners: <b>olga</b>"):
        assert part in seen
    assert not any(part in seen for part in ("/edit", "/archive", "/assignments", "/reports?"))
    assert "What is known of groups or admins is too old" in await browser.read("/workflows/wf-1", "olga")
    for offered in ("/edit", "/archive", "/assignments", "/reports?workflow=wf-1"):
        assert offered in await browser.read("/workflows/wf-1", "dave")


async def test_a_lapsed_licence_is_told_before_anything_is_typed(browser: Browser, data: Data, database: Database) -> None:
    await data.workflow()
    await data._db.execute("UPDATE directory.site SET licence_active = false")
    assert "no active licence" in await browser.read("/workflows/wf-1", "dave")
    assert "no active licence" in (await browser.get("/workflows/wf-1/edit", "dave")).text
    assert (await browser.get("/reports?space=10", "dave")).status_code == 200


async def test_an_archived_workflow_is_read_and_not_changed(browser: Browser, data: Data) -> None:
    await data.workflow(archived=True)
    seen = await browser.read("/workflows/wf-1", "dave")
    assert ("Archived</span>" in seen, "/edit" in seen) == (True, False)
    assert (await browser.get("/workflows/wf-1/edit", "dave")).status_code == 409


async def test_two_versions_are_compared(browser: Browser, data: Data) -> None:
    await data.workflow(a_definition(a_step(accounts("ann"))))
    later = a_definition(a_step(accounts("ann") + groups("g1"), All()))
    key = {"site_id": ONE, "workflow_id": "wf-1", "workflow_version": 2}
    await data._insert("approvals.definition", {**key, "body": later.model_dump_json()})
    seen = await browser.read("/workflows/wf-1/versions?from=1&to=2")
    assert re.search(r"<ins>(<[^>]*>[^<]*</span>)*group g1</ins>", seen)
    back = await browser.read("/workflows/wf-1/versions?from=2&to=1")
    assert re.search(r"<del>(<[^>]*>[^<]*</span>)*group g1</del>", back)
    assert (await browser.get("/workflows/wf-1/versions?from=1&to=3")).status_code == 404
    for wrong in ("from=0&to=1", "from=1", "from=1&to=99999999999"):
        assert (await browser.get(f"/workflows/wf-1/versions?{wrong}")).status_code == 422


async def test_a_preview_tells_what_the_directory_knows_now(browser: Browser, data: Data) -> None:
    await data.workflow()
    for n in range(3):
        await data.page(f"9{n}")
    await data.page("99", status="approved")
    await data.group(now(), ["bob", "carl"])
    await data.group(now() - STALE, ["zoe"], "old")
    await data.group(now(), ["mallory"], "none", TWO)
    response = await browser.post("/workflows/wf-1/edit", FORM | {"do": "preview"}, "dave")
    seen = " ".join(response.text.split())
    assert response.status_code == 200
    assert "3 open approvals keep the version they began with" in seen
    assert "3 people could decide now: <b>ann</b>, <b>bob</b>, <b>carl</b>." in seen
    assert ("<b>g1</b>: 2 people, read <time" in seen, "<b>none</b>: never heard of" in seen) == (True, True)
    assert ("which is too long ago" in seen, "4 people must approve, and 3 could." in seen) == (True, True)
    assert not any(hidden in seen for hidden in ("zoe", "mallory"))
    three = await browser.post("/workflows/wf-1/edit", FORM | {"step-0-n": "3", "do": "preview"}, "dave")
    assert "Four eyes: a page written or last edited by any of <b>ann</b>" in " ".join(three.text.split())
    two_eyes = {name: value for name, value in FORM.items() if name != "four_eyes"}
    assert "Four eyes:" not in (await browser.post("/workflows/wf-1/edit", two_eyes | {"step-0-n": "3"}, "dave")).text


async def test_what_was_typed_comes_back_whatever_became_of_it(browser: Browser, data: Data) -> None:
    await data.workflow()
    for form, status, told in (
        (FORM | {"do": "save"}, 503, "What you wrote is still here"), (FORM | {"do": "save", "step-0-n": "many"}, 422, "Give a number"),
        (FORM | {"do": "add"}, 200, "Step 2"), (FORM | {"do": "preview"}, 200, "it is not saved yet"),
    ):
        response = await browser.post("/workflows/wf-1/edit", form, "dave")
        assert (response.status_code, told in response.text) == (status, True)
        assert ('value="Policies"' in response.text, "ann\ngroup:g1\ngroup:old\ngroup:none</textarea>" in response.text) == (True, True)
        assert f'name="key" value="{KEY}"' in response.text
    assert (await browser.post("/workflows/wf-1/edit", FORM | {"version": "x"}, "dave")).status_code == 422
    assert (await browser.post("/workflows/wf-1/edit", FORM | {"key": "é"}, "dave")).status_code == 422
    response = await browser.post("/workflows/wf-1/assignments", {"scope": "page", "scope_id": "a b", "key": KEY}, "dave")
    assert (response.status_code, "That is not the id of a page." in response.text, 'value="a b"' in response.text) == (422, True, True)


async def test_a_workflow_that_is_on_its_way_is_no_error(browser: Browser, data: Data) -> None:
    pending = await data.accepted()
    assert "It is on its way" in await browser.read(f"/workflows/wf-new?asked={pending}", "dave")
    await data.outcome(command_id=pending, reason="not_permitted")
    assert "Only a space admin or an owner" in await browser.read(f"/workflows/wf-new?asked={pending}", "dave")
    assert (await browser.get(f"/workflows/wf-new?asked={uuid4()}", "dave")).status_code == 404
    assert (await browser.get(f"/workflows/wf-new?asked={pending}", "dave", TWO)).status_code == 404


async def test_archiving_tells_how_many_approvals_it_cancels(browser: Browser, data: Data) -> None:
    await data.workflow()
    await data.assign("space", "10")
    for n in range(3):
        await data.page(f"9{n}")
    await data.page("99", status="rejected")
    await data.page("98", workflow_id="wf-2")
    seen = await browser.read("/workflows/wf-1/archive", "dave")
    assert ("3 open approvals are cancelled" in seen, "(1 place)" in seen, 'name="version" value="1"' in seen) == (True, True, True)


async def test_an_approval_is_reset_or_cancelled_by_those_who_may_only(browser: Browser, data: Data) -> None:
    await data.workflow(a_definition(a_step(accounts("ann", "bob"), All())))
    await data.page(approvals=1, seats=b"\x01")
    await data.outcome(voter="ann")
    assert "1 decision counts</b>" not in await browser.read("/approvals/900-1/cancel", "dave")
    seen = await browser.read("/approvals/900-1/reset", "olga")
    assert ("1 decision counts no more" in seen, 'name="version" value="4"' in seen) == (True, True)
    assert "/approvals/900-1/reset" in await browser.read("/approvals/900-1", "dave")
    assert "/approvals/900-1/reset" not in await browser.read("/approvals/900-1", "ann")
    for path in ("/approvals/900-1/reset", "/approvals/900-1/cancel"):
        assert (await browser.get(path, "ann")).status_code == 403
        assert (await browser.get(path.replace("900-1", "900-2"), "dave")).status_code == 404
        assert (await browser.post(path, {"version": "4", "key": KEY}, "dave")).status_code == 503
    await data._db.execute("UPDATE approvals.page SET status = 'cancelled'")
    assert (await browser.get("/approvals/900-1/reset", "dave")).status_code == 409
