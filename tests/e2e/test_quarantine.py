"""A record that nobody can read, among good ones: who waits, who does not, and how an operator lets them go."""

import asyncio
import os
import sys
from uuid import uuid4

import orjson

from services.cli.run import addresses
from services.local.supervisor import Stack
from shared.clock import now
from shared.contracts.commands import RecordDecision
from shared.contracts.envelope import headers
from shared.contracts.topics import INTAKE
from shared.kafka import BatchPublisher, Outgoing
from shared.settings import ServiceSettings
from tests.builders import a_decision
from tests.e2e.site import ANN, BOB, CAROL, Site, approvers, step
from tests.waiting import until

MARK = "zebra-crossing"
"""What must not be seen outside the record."""


async def put_on_intake(stack: Stack, *messages: Outgoing) -> None:
    """Publish what no service of ours would."""
    publisher = BatchPublisher(ServiceSettings(kafka=stack.broker.bootstrap, kafka_idempotent=stack.broker.idempotent), "test")
    await publisher.start()
    try:
        await publisher.publish(messages)
    finally:
        await publisher.stop()


def poisons(site_id: str, page_id: str) -> list[Outgoing]:
    """No JSON at all; and a command with a field that it does not have."""
    key = f"{site_id}:{page_id}".encode()
    strange = a_decision(site_id=site_id, page_id=page_id).model_dump(mode="json") | {MARK: MARK}
    return [
        Outgoing(INTAKE.name, key, f"{{{MARK}".encode(), [("ce_type", MARK.encode())]),
        Outgoing(INTAKE.name, key, orjson.dumps(strange), headers(RecordDecision, uuid4(), now(), "test")),
    ]


async def operator(stack: Stack, *arguments: str) -> tuple[int | None, str]:
    """How ``approvalflow quarantine`` ends, and everything it prints."""
    command = [sys.executable, "-m", "services.cli", "quarantine", *arguments, "--state", str(stack.state)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, "COLUMNS": "250"},
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


async def test_a_poison_record_holds_up_its_own_key_until_an_operator_sets_it_aside(site: Site, system: Stack) -> None:
    addresses(system).save(system.state)
    workflow = await site.workflow(step(approvers(ANN, BOB, CAROL)))
    held, free = await site.submit("900", workflow), await site.submit("901", workflow)
    key = f"{site.id}:900"
    assert (await site.approve(held, ANN)).status_code == 200
    await put_on_intake(system, *poisons(site.id, "900"))
    waiting = [(await site.approve(held, who, wait=0)).json()["command_id"] for who in (CAROL, BOB)]
    assert [(await site.approve(free, who)).json()["version"] for who in (ANN, BOB)] == [2, 3]

    async def all_wait() -> bool:
        return (await operator(system, "show", key))[1].count("\n") == 4

    await until(all_wait)
    ended, shown = await operator(system, "show", key)
    assert (ended, [line.rpartition(": ")[2].partition(",")[0] for line in shown.splitlines()[2:]]) == (0, ["waiting"] * 2)
    ended, listed = await operator(system, "list")
    [row] = [line for line in listed.splitlines() if key in line]
    assert (ended, row.split("│")[2].strip()) == (0, "4")
    assert [(await site.read(f"/v1/commands/{each}")).json()["result"] for each in waiting] == ["pending"] * 2

    ended, stuck = await operator(system, "release", key)
    assert (ended, stuck.startswith("0 released, 4 still waiting")) == (1, True)
    ended, still = await operator(system, "release", key, "--set-aside")
    assert (ended, still.startswith("0 released, 3 still waiting")) == (1, True)
    ended, released = await operator(system, "release", key, "--set-aside")
    assert (ended, released.startswith("2 released, 0 still waiting")) == (0, True)

    answers = [(await site.read(f"/v1/commands/{each}")).json() for each in waiting]
    assert [(a["result"], a["version"], a["status"]) for a in answers] == [("applied", 3, "open"), ("applied", 4, "approved")]
    ended, aside = await operator(system, "show", key, "--all")
    assert (ended, aside.count("(set aside)")) == (0, 2)
    for printed in (shown, listed, stuck, still, released, aside):
        assert MARK not in printed
