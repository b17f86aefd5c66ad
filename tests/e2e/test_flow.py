"""From a workflow to an approved page and its audit trail, through HTTP alone."""

from secrets import token_hex

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from services.local.supervisor import Stack
from shared.clock import now
from shared.contracts.topics import EVENTS
from tests.e2e.site import ADMIN, ANN, AUTHOR, BOB, CAROL, SPACE, Site, approvers, refused, step
from tests.waiting import until

PAGE = "31337"


async def event_of(stack: Stack, command_id: str) -> ConsumerRecord:
    """The event that a command led to, as it lies on the log."""
    consumer = AIOKafkaConsumer(EVENTS.name, bootstrap_servers=stack.broker.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:

        async def found() -> ConsumerRecord | None:
            polled = await consumer.getmany(timeout_ms=100)
            told = (record for records in polled.values() for record in records)
            return next((r for r in told if dict(r.headers)["ce_id"].decode() == command_id), None)

        record = await until(found)
        assert record is not None
        return record
    finally:
        await consumer.stop()


async def test_a_page_is_approved_by_the_right_people_and_the_trail_shows_it(site: Site) -> None:
    members = {"members": [CAROL], "read_at": now().isoformat()}
    await site.done("PUT", "/v1/directory/groups/releasers", members, None)
    workflow = await site.workflow(step(approvers(ANN, AUTHOR), "any"), step(approvers("releasers", kind="group")), owners=[BOB])
    assert (await site.hook("created", PAGE, 1)).status_code == 204

    approval = await site.submit(PAGE, workflow)
    refused(await site.approve(approval, BOB), 403, "not_an_approver")
    refused(await site.approve(approval, AUTHOR), 403, "four_eyes")
    [waiting] = (await site.read("/v1/me/decisions", ANN)).json()["approvals"]
    assert (waiting["approval_id"], waiting["step"]) == (approval, 0)

    first = (await site.approve(approval, ANN)).json()
    refused(await site.approve(approval, ANN), 403, "not_an_approver")
    last = (await site.approve(approval, CAROL)).json()
    assert (first["status"], last["status"], last["version"]) == ("open", "approved", first["version"] + 1)

    said = (await site.read(f"/v1/approvals/{approval}", BOB)).json()
    assert (said["status"], said["version"], said["missing"]) == ("approved", last["version"], None)
    assert [[d["account_id"] for d in s["decisions"]] for s in said["steps"]] == [[ANN], [CAROL]]
    assert (await site.read(f"/v1/commands/{last['command_id']}", CAROL)).json()["result"] == "applied"
    assert (await site.read("/v1/me/decisions", ANN)).json()["approvals"] == []
    assert (await site.read(f"/v1/pages/{PAGE}/approval", ANN)).json()["approval"]["status"] == "approved"

    for index in ("", f"/pages/{PAGE}", f"/spaces/{SPACE}", f"/workflows/{workflow}", f"/actors/{CAROL}"):
        await found_in_audit(site, f"/v1/audit{index}", last["command_id"])
    refused(await site.read(f"/v1/audit/pages/{PAGE}", ANN), 403, "not_permitted")
    assert (await site.read(f"/v1/audit/pages/{PAGE}", ADMIN)).status_code == 200


async def found_in_audit(site: Site, path: str, command_id: str) -> None:
    """Wait until an index leads to the entry of this command."""

    async def found() -> bool:
        response = await site.read(path)
        assert response.status_code == 200, response.text
        entries = [e for e in response.json()["entries"] if e["event_id"] == command_id]
        assert all((e["body"]["data"]["site_id"], e["body"]["data"]["page_id"]) == (site.id, PAGE) for e in entries)
        return len(entries) == 1

    await until(found)


async def test_one_trace_leads_from_the_request_to_the_event(site: Site, system: Stack) -> None:
    trace = token_hex(16)
    body = {"space_id": SPACE, "definition": {"name": "Traced", "steps": [step(approvers(ANN))]}}
    response = await site.send("POST", "/v1/workflows", body, ADMIN, traceparent=f"00-{trace}-{token_hex(8)}-01")
    event = await event_of(system, response.json()["command_id"])
    version, traced, _, flags = dict(event.headers)["traceparent"].decode().split("-")
    assert (version, traced, flags) == ("00", trace, "01")
