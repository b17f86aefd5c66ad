"""Where there is no network but loopback: the whole system, an approval, and how often anything tried to get out.

The kernel counts every packet and every connection that it had no route for, whichever process asked for it.
"""

import asyncio
import contextlib
import fcntl
import json
import socket
import struct
import sys
from pathlib import Path

import httpx

from services.local.supervisor import running
from tests.e2e.site import ANN, BOB, Site, approvers, step
from tests.waiting import until

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
_FLAGS = "16sh14x"
_OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that are kept for documentation."""


def raise_loopback() -> None:
    """A new namespace has it, but down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _, flags = struct.unpack(_FLAGS, fcntl.ioctl(control, _GET_FLAGS, struct.pack(_FLAGS, b"lo", 0)))
        fcntl.ioctl(control, _SET_FLAGS, struct.pack(_FLAGS, b"lo", flags | _UP))


def speaks_ipv6() -> bool:
    """Where it is switched off, nothing goes out by it and nothing is counted."""
    switch = Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6")
    return switch.exists() and switch.read_text().strip() == "0"


def attempts() -> int:
    """How often anything in this namespace tried to get out."""
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines()[:2])
    newer = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines()) if speaks_ipv6() else {}
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"]) + int(newer.get("Ip6OutNoRoutes", 0))


def try_to_get_out() -> list[int]:
    """How many attempts are counted after each of these, of which every one must show."""
    counted = []
    for family, address in _OUTSIDE if speaks_ipv6() else _OUTSIDE[:1]:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(family, kind) as out, contextlib.suppress(OSError):
                out.connect((address, 443))
            counted.append(attempts())
    with contextlib.suppress(OSError):
        socket.getaddrinfo("approvalflow.invalid", 443)
    return [*counted, attempts()]


async def approve(state: Path) -> str:
    """From a webhook to an approval and its entry in the audit log; what became of the approval."""
    async with running(state) as stack, httpx.AsyncClient(timeout=20) as client:
        site = Site(stack, client, "site-enclosed")
        await site.prepare()
        workflow = await site.workflow(step(approvers(ANN)))
        assert (await site.hook("created", "7", 1)).status_code == 204
        approval = await site.submit("7", workflow)
        assert (await site.approve(approval, BOB)).status_code == 403
        decided = (await site.approve(approval, ANN)).json()["command_id"]

        async def audited() -> bool:
            entries = (await site.read("/v1/audit/pages/7")).json()["entries"]
            return decided in {entry["event_id"] for entry in entries}

        await until(audited)
        return str((await site.read(f"/v1/approvals/{approval}", ANN)).json()["status"])


def main() -> None:
    """Say as JSON what became of the approval, what was counted meanwhile, and what is counted of real attempts."""
    raise_loopback()
    status = asyncio.run(approve(Path(sys.argv[1])))
    sys.stdout.write(json.dumps({"status": status, "attempts": attempts(), "then": try_to_get_out()}))


if __name__ == "__main__":
    main()
