"""The documents that describe the wire and what is told of it, written from the code."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import additive, asyncapi

NEW_VERSION = (
    "A published type is never taken from: give the change a type of its own in shared/contracts/topics.py,"
    " ending in the next version, with a class and golden files, and keep the old one."
)
"""What to do instead of a change that takes something away."""
Directory = Annotated[Path, typer.Option(exists=True, file_okay=False, help="Where the documents are kept.")]


def documents(directory: Directory = Path("docs")) -> None:
    """Write the OpenAPI and AsyncAPI documents and the reference of signals. Ends with 1 if a published message would lose something."""
    from services.cli import signals

    made = asyncio.run(generated())
    for name, content in made.items():
        if lost := losses(directory / name, content):
            typer.echo("\n".join([f"{directory / name} is left as it is:", *lost, NEW_VERSION]), err=True)
            raise typer.Exit(1)
    texts = {name: as_text(content) for name, content in made.items()} | {"signals.md": signals.page()}
    for name, text in texts.items():
        (directory / name).write_text(text)
        typer.echo(str(directory / name))


async def generated() -> dict[str, dict[str, Any]]:
    """Every document by its file's name."""
    command, console = await _services()
    return {"asyncapi.json": asyncapi.document(), "openapi-command.json": command, "openapi-console.json": console}


def losses(kept: Path, content: dict[str, Any]) -> list[str]:
    """What the messages in the kept document could say and the new ones cannot."""
    if "asyncapi" not in content or not kept.exists():
        return []
    return additive.taken_away(json.loads(kept.read_text()), content)


def as_text(content: dict[str, Any]) -> str:
    """A document as it is kept."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


async def _services() -> tuple[dict[str, Any], dict[str, Any]]:
    """The routes of ``command`` and of ``console``, made with everything they need, and none of it connected."""
    import asyncpg
    import httpx
    from cryptography.fernet import Fernet

    from services.command import publish, replies
    from services.command import wiring as command
    from services.command.backlog import Backlog
    from services.command.database import Database
    from services.command.settings import Settings as Writing
    from services.console import wiring as console
    from services.console.settings import Settings as Reading
    from shared import kafka

    key = Fernet.generate_key().decode()
    writing, reading = Writing(encryption_key=key), Reading(encryption_key=key)
    publisher = publish.Publisher(kafka.connect(writing, "documents"), writing.publish_seconds)
    pool = asyncpg.create_pool()
    async with httpx.AsyncClient() as client:
        return (
            command.application(writing, Database(pool, 1, 1), client, publisher, replies.Waiting(0), Backlog(1)).openapi(),
            console.application(reading, pool, client).openapi(),
        )
