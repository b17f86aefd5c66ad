"""Long work as somebody runs it: at a terminal, into a file, and for a program."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import asyncpg
import pytest
import pytest_asyncio

from services.audit_fanout.sinks import Store
from services.retention.domain import Kind
from services.retention.settings import Settings
from shared.postgres import connect_pool
from tests.integration.audit_log import an_event, raw
from tests.integration.retention_scene import DAY, Scene
from tests.stack import Database, Log
from tests.waiting import until

ENTRIES = 30
SITE = "site-1"


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int | None
    out: str
    err: str


async def start(words: Sequence[str], err: int, **environment: str) -> asyncio.subprocess.Process:
    """A command in a process of its own; ``err`` is where its progress goes."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, stdout=asyncio.subprocess.PIPE, stderr=err,
        env={**{k: v for k, v in os.environ.items() if k not in {"COLUMNS", "TERM"}}, **environment},
    )


async def run(*words: str, **environment: str) -> Ended:
    """What a command writes into files."""
    process = await start(words, asyncio.subprocess.PIPE, **environment)
    out, err = await communicated(process)
    return Ended(process.returncode, out.decode(), err.decode())


async def communicated(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    """All that it writes; it is not left running."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), 120)
        return out, err or b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def at_terminal(*words: str) -> Ended:
    """What a command shows on a terminal beside what it writes into a file."""
    ours, theirs = os.openpty()
    process = await start(words, theirs, TERM="xterm-256color", COLUMNS="120")
    os.close(theirs)
    shown = asyncio.create_task(asyncio.to_thread(_drained, ours))
    out, _ = await communicated(process)
    return Ended(process.returncode, out.decode(), (await shown).decode())


def _drained(terminal: int) -> bytes:
    seen = b""
    try:
        while more := os.read(terminal, 4096):
            seen += more
    except OSError:  # whoever had the other end is gone
        pass
    finally:
        os.close(terminal)
    return seen


@pytest_asyncio.fixture(scope="module")
async def entries(database: Database) -> Database:
    """A database with audit entries."""
    async with await connect_pool(database.dsn("audit_fanout"), 2, "test") as pool:
        await Store(pool, 5).write([raw(an_event(f"v{n}"), n % 2) for n in range(ENTRIES)])
    return database


@pytest_asyncio.fixture
async def owner(entries: Database) -> AsyncIterator[asyncpg.Connection]:
    """A superuser."""
    db = await asyncpg.connect(entries.dsn())
    yield db
    await db.close()


@pytest_asyncio.fixture
async def due(entries: Database, owner: asyncpg.Connection) -> AsyncIterator[Scene]:
    """Seven comments that retention lets go, and no rule beside."""
    async with await connect_pool(entries.dsn("retention"), 1, "test", session_state=True) as pool:
        scene = Scene(owner, pool, _nowhere, Settings())
        await scene.add(Kind.COMMENTS, SITE, "900", 50 * DAY, 7)
        await scene.policy(SITE, Kind.COMMENTS)
        yield scene
        await owner.execute("DELETE FROM retention.policy")


async def _nowhere(_: object) -> None:
    raise AssertionError("the command line publishes for itself")


def verify(database: Database) -> tuple[str, ...]:
    """The command that verifies the log."""
    return "services.cli", "audit", "verify", "--database", database.dsn("console")


async def test_into_a_file_it_writes_plain_lines_and_the_result_apart(entries: Database) -> None:
    ended = await run(*verify(entries))
    assert (ended.code, ended.out) == (0, f"{ENTRIES} entries verified\n")
    assert f"verifying: {ENTRIES} of {ENTRIES} entries" in ended.err
    assert "\x1b" not in ended.err


async def test_on_a_terminal_it_shows_a_bar_and_the_result_apart(entries: Database) -> None:
    ended = await at_terminal(*verify(entries))
    assert (ended.code, ended.out) == (0, f"{ENTRIES} entries verified\n")
    assert "\x1b[" in ended.err
    assert f"of {ENTRIES} entries" in ended.err


async def test_for_a_program_the_result_is_one_object(entries: Database, owner: asyncpg.Connection) -> None:
    ended = await run(*verify(entries), "--json")
    assert (ended.code, json.loads(ended.out)) == (0, {"verified": ENTRIES, "wrong": None})
    assert "verifying: " in ended.err
    await owner.execute("UPDATE audit.entry SET actor_id = 'eve' WHERE partition = 1 AND position = 3")
    try:
        said, told = await run(*verify(entries)), await run(*verify(entries), "--json")
    finally:
        await owner.execute("UPDATE audit.entry SET actor_id = body::json -> 'data' ->> 'actor_id' WHERE partition = 1")
    assert (said.code, said.out, told.code) == (1, "", 1)
    assert "WRONG after" in said.err
    wrong = json.loads(told.out)["wrong"]
    assert (wrong["partition"], wrong["position"]) == (1, 3)


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
async def test_told_to_stop_it_ends_with_130(entries: Database, owner: asyncpg.Connection, what: signal.Signals) -> None:
    async with owner.transaction():
        await owner.execute("LOCK TABLE audit.checkpoint IN ACCESS EXCLUSIVE MODE")
        process = await start(verify(entries), asyncio.subprocess.DEVNULL)

        async def waits() -> bool:
            return bool(await owner.fetchval("SELECT true FROM pg_locks WHERE NOT granted AND relation = 'audit.checkpoint'::regclass"))

        await until(waits)
        process.send_signal(what)
        assert await asyncio.wait_for(process.wait(), 20) == 130


async def test_retention_shows_each_site_and_kind(due: Scene, entries: Database, broker: Log, topics: list[str]) -> None:
    words = ("services.cli", "retention", "run", "--database", entries.dsn("retention"), "--kafka", broker.bootstrap)
    first = await run(*words, "--json", APPROVALFLOW_BATCH_ROWS="2", APPROVALFLOW_STATE="/nowhere")
    assert first.code == 0, first.err
    found = json.loads(first.out)
    assert [(one["site_id"], one["kind"], one["removed"]) for one in found["recorded"]] == [(SITE, "comments", 7)]
    assert found["unfinished"] == []
    assert f"{SITE} comments: 7 of 7 records" in first.err
    again = await run(*words, APPROVALFLOW_STATE="/nowhere")
    assert (again.code, again.out) == (0, "nothing is due\n")


async def test_a_demonstration_for_a_program() -> None:
    ended = await run("services.cli", "demo", "--seconds", "2", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["failures"] == []
    assert [one["name"] for one in found["guarantees"]] == [f"G{n}" for n in range(1, 7)]
    assert found["commands"]["applied"] > 0
    assert " pages approved, " in ended.err
    assert "traffic is over" in ended.err


@pytest.mark.parametrize("words", [
    ("services.cli", "audit", "verify", "--unheard-of"), ("services.cli", "retention", "run", "--state", "/nowhere"),
    ("services.cli", "demo", "--seconds", "0"), ("chaos", "--only", "unheard of"), ("bench", "--rounds", "0"),
])
async def test_called_wrongly_it_ends_with_2_and_says_why(words: tuple[str, ...]) -> None:
    ended = await run(*words)
    assert (ended.code, ended.out) == (2, "")
    assert "Usage" in ended.err


@pytest.mark.parametrize("words", [
    ("services.cli", "audit", "verify"), ("services.cli", "retention", "run"), ("services.cli", "demo"), ("chaos",), ("bench",),
    ("bench", "growth"),
])
async def test_every_long_command_says_how_it_ends(words: tuple[str, ...]) -> None:
    ended = await run(*words, "--help", COLUMNS="200")
    assert ended.code == 0
    assert "--json" in ended.out
    assert all(code in ended.out for code in ("with 0 ", "with 1 ", "with 2 ", "with 130 "))


async def test_a_shell_is_told_how_to_complete() -> None:
    called = "import sys; sys.argv[:] = ['approvalflow', *sys.argv[1:]]; from services.cli import main; main()"
    asked = {"_APPROVALFLOW_COMPLETE": "complete_bash", "COMP_WORDS": "approvalflow retention r", "COMP_CWORD": "2"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", called, stdout=asyncio.subprocess.PIPE, env={**os.environ, **asked},
    )
    out, _ = await communicated(process)
    assert out.decode().split() == ["run"]
