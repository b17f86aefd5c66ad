"""The demonstration as somebody runs it: it judges itself, and leaves nothing behind however it ends."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.waiting import until

COMMAND = [sys.executable, "-m", "services.cli", "demo", "--lanes", "4", "--seconds"]


class Demo:
    """A running demonstration and what it has printed so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""
        self.started: set[psutil.Process] = set()

    async def until_said(self, text: str, times: int = 1) -> None:
        """Read on until it has said this; remember every process it has by then."""
        assert self.process.stdout is not None
        async with asyncio.timeout(90):
            while self.said.count(text) < times:
                line = await self.process.stdout.readline()
                assert line, self.said
                self.said += line.decode()
        self.started = set(psutil.Process(self.process.pid).children(recursive=True))

    async def ended(self) -> int:
        """Read to the end; its exit code."""
        assert self.process.stdout is not None
        self.said += (await asyncio.wait_for(self.process.stdout.read(), 120)).decode()
        return await self.process.wait()

    async def nothing_left(self, directory: Path) -> None:
        """None of its processes runs, and none of its files is there."""
        async def gone() -> bool:
            return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in self.started)

        assert self.started
        await until(gone)
        assert list(directory.iterdir()) == []


@asynccontextmanager
async def demo(directory: Path, seconds: int) -> AsyncIterator[Demo]:
    """One that makes its files here; not left running if the test fails."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, str(seconds), env={**os.environ, "TMPDIR": str(directory), "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Demo(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_holds_what_it_promises(tmp_path: Path) -> None:
    async with demo(tmp_path, 2) as shown:
        await shown.until_said("is ready", 5)
        code = await shown.ended()
        assert code == 0, shown.said
        for name in ("G1", "G2", "G3", "G4", "G5", "G6"):
            assert [line.split()[-1] for line in shown.said.splitlines() if line.strip().startswith(name)] == ["holds"], shown.said
        for part in ("broker: ", "applied", "not_an_approver", "decide to outcome: p50", "audit entries verified", "under load"):
            assert part in shown.said
        await shown.nothing_left(tmp_path)


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
async def test_told_to_stop_it_leaves_nothing(tmp_path: Path, what: signal.Signals) -> None:
    async with demo(tmp_path, 60) as shown:
        await shown.until_said("is ready", 5)
        shown.process.send_signal(what)
        assert await shown.ended() == 130, shown.said
        await shown.nothing_left(tmp_path)


async def test_a_service_that_dies_ends_it_with_an_error(tmp_path: Path) -> None:
    async with demo(tmp_path, 60) as shown:
        await shown.until_said("is ready", 5)
        [decision] = [p for p in shown.started if p.cmdline()[-1] == "services.decision"]
        decision.kill()
        assert await shown.ended() == 1, shown.said
        assert "decision ended by itself" in shown.said
        await shown.nothing_left(tmp_path)
