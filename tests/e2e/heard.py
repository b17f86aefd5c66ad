"""Every place that words may have come to, and what is there."""

from collections import defaultdict
from pathlib import Path

import asyncpg
import httpx
import zstandard

from chaos.log import since
from services.local.supervisor import SERVICES, Stack
from shared.contracts.topics import TOPICS

Places = dict[str, bytes]
_COLUMNS = """
    SELECT table_schema, table_name, column_name FROM information_schema.columns
     WHERE table_schema IN ('command', 'directory', 'approvals', 'audit', 'retention')
"""


async def served(stack: Stack, client: httpx.AsyncClient) -> Places:
    """What each service serves at ``/metrics``, and the operators' page."""
    places = {f"metrics of {name}": (await client.get(f"{stack.address(name)}/metrics")).content for name in SERVICES}
    return places | {"operators' page": await _operations(stack)}


async def _operations(stack: Stack) -> bytes:
    """What an operator sees who has just signed in."""
    person = {"site": "local-site", "account": "operator", "operator": "on", "password": stack.issuer.sign_in_password}
    async with httpx.AsyncClient(follow_redirects=True, timeout=30) as browser:
        form = await browser.get(f"{stack.address('console')}/signin", params={"to": "/operations"})
        page = (await browser.post(form.url, data=person)).raise_for_status()
    assert page.url.path == "/operations"
    return page.content


async def stored(dsn: str) -> Places:
    """Every column of every table, binary ones in hex."""
    db, places = await asyncpg.connect(dsn), Places()
    try:
        for schema, table, column in await db.fetch(_COLUMNS):
            text = await db.fetchval(f"SELECT string_agg({column}::text, E'\\n') FROM {schema}.{table}")
            places[f"{schema}.{table}.{column}"] = (text or "").encode()
    finally:
        await db.close()
    return places


async def logged(bootstrap: str, planted: set[bytes]) -> Places:
    """Keys, headers and values of every topic, but for records of which the value was planted."""
    places = defaultdict[str, bytes](bytes)
    for topic in TOPICS:
        for record in await since(bootstrap, topic, {}):
            if record.value not in planted:
                places[f"keys of {topic.name}"] += (record.key or b"") + b"\n"
                places[f"values of {topic.name}"] += (record.value or b"") + b"\n"
                places[f"headers of {topic.name}"] += b"".join(name.encode() + b"=" + value + b"\n" for name, value in record.headers)
    return dict(places)


def kept(state: Path) -> Places:
    """The log files of every process, and the archive's files."""
    logs = [*(state / "logs").glob("*.log"), *(state / "postgres").glob("*.log"), *(state / "kafka").glob("*.log")]
    places = {f"log of {path.stem}": path.read_bytes() for path in logs}
    files = [path for path in (state / "archive").rglob("*") if path.is_file()]
    places["archive"] = b"".join(str(path).encode() + b"\n" + _read(path) for path in files)
    return places


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    return zstandard.ZstdDecompressor().stream_reader(content).read() if path.suffix == ".zst" else content
