"""The command line against a real database and a real broker."""

import asyncio

import asyncpg
from typer.testing import CliRunner

from services.cli import app
from shared.contracts.topics import TOPICS
from tests import stack


async def invoke(*words: str) -> tuple[int, str]:
    """Run a command in a thread, since it brings an event loop of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, app, list(words))
    return result.exit_code, result.output


async def test_migrating_again_changes_nothing(database: stack.Database) -> None:
    for _ in range(2):
        code, said = await invoke("migrate", "--database", database.dsn())
        assert (code, "migrations are applied" in said) == (0, True)


async def test_making_topics_again_changes_nothing(kafka: str, topics: list[str]) -> None:
    code, said = await invoke("topics", "--kafka", kafka)
    assert (code, said.split()) == (0, [topic.name for topic in TOPICS])
    assert sorted(topics) == sorted(said.split())


async def test_quarantine_shows_why_a_record_waits_and_nothing_it_says(database: stack.Database) -> None:
    db = await asyncpg.connect(database.dsn("decision"))
    try:
        await db.execute(
            "INSERT INTO approvals.quarantine (topic, partition, log_offset, key, value, headers, reason, detail)"
            " VALUES ('approvalflow.intake.v1', 0, 1, 'site:7', 'secret words', '[]', 'malformed', 'header: KeyError')"
        )
    finally:
        await db.close()
    code, listed = await invoke("quarantine", "list", "--database", database.dsn("console"))
    assert code == 0
    code, shown = await invoke("quarantine", "show", "site:7", "--database", database.dsn("console"))
    assert code == 0
    for said in (listed, shown):
        assert "malformed" in said
        assert "secret" not in said
    assert "12 bytes" in shown
    code, _ = await invoke("quarantine", "show", "site:8", "--database", database.dsn("console"))
    assert code == 1
