"""Where the CPU time of ``decision`` goes: a sampling profiler looks at one process while it drains a full log."""

import asyncio
import sysconfig
from collections import Counter
from pathlib import Path

from bench import seed
from bench.load import Load, Place
from bench.measure import committed
from bench.report import Figure, Report, Run
from bench.stage import Stage
from services.decision.wiring import GROUP

STEPS = {
    "parse": "parts (services/decision/parse.py", "read": "Engine.read (", "decide": "Engine.decide (",
    "write": "Engine.write (", "publish": "Consumer._publish (", "fetch": "(aiokafka/consumer/", "send": "(aiokafka/producer/",
    "the rest of the loop, and its sockets": "Runner.run (",
}
"""Each step of the protocol, by a frame that only it has; a sample counts for the first that it has."""
_HERTZ = 250
_UNIT = "% of CPU time"


async def profile(stage: Stage, report: Report, approvals: int, functions: int) -> None:
    """Add the share of each step, and of the functions that most samples were in, themselves or below."""
    await stage.prepare(Load([]).shape)
    await seed.sites(stage.db, ["profile"])
    load = Load([Place("profile", str(n)) for n in range(approvals)])
    await seed.approvals(stage.db, load.places)
    await seed.settle(stage.db)
    before = await committed(stage.admin, GROUP)
    await stage.fill(load.decisions())
    stage.notice(f"one process decides {len(load):,}, looked at {_HERTZ} times a second")
    async with stage.processes("services.decision", 1, "decision") as [child]:
        async with asyncio.timeout(60):
            while await committed(stage.admin, GROUP) == before:
                await asyncio.sleep(0.05)
        raw = await _sampled(child.pid, stage.stack.state / "profile.txt", seconds=len(load) // 20_000)
    steps, inside = shares(raw)
    report.figures += [_figure(name, steps.get(name, 0.0)) for name in STEPS]
    report.figures += [_figure(name, share) for name, share in list(inside.items())[:functions]]


async def _sampled(pid: int, output: Path, seconds: int) -> str:
    """Stacks and how often each was met, one to a line.

    :raises RuntimeError: the profiler may not look at another process (it needs root, or ``ptrace_scope`` 0).
    """
    program = Path(sysconfig.get_path("scripts")) / "py-spy"
    recorder = await asyncio.create_subprocess_exec(
        program, "record", "--pid", str(pid), "--rate", str(_HERTZ), "--duration", str(seconds), "--format", "raw", "--output",
        output, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await recorder.communicate()
    if recorder.returncode:
        raise RuntimeError(complaint.decode().strip()[-200:])
    return await asyncio.to_thread(output.read_text)


def shares(raw: str) -> tuple[dict[str, float], dict[str, float]]:
    """Percent of the event loop's samples for each step, and for each function of ours, itself or below, most first."""
    steps, inside, total = Counter[str](), Counter[str](), 0
    for line in raw.splitlines():
        stack, _, number = line.rpartition(" ")
        if STEPS["the rest of the loop, and its sockets"] not in stack:  # another thread, or starting up
            continue
        count = int(number)
        total += count
        steps[next(name for name, frame in STEPS.items() if frame in stack)] += count
        for function in {frame.rpartition(":")[0] + ")" for frame in stack.split(";") if "services/" in frame or "shared/" in frame}:
            inside[function] += count
    return _percent(steps, total), _percent(inside, total)


def _percent(counts: Counter[str], total: int) -> dict[str, float]:
    return {name: 100 * count / total for name, count in counts.most_common()}


def _figure(name: str, share: float) -> Figure:
    return Figure(name=name, unit=_UNIT, runs=[Run(value=share)])
