"""All SQL of this service: it owns schema ``command``; what the early guard looks at, ``services.known`` reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg

from shared.callers import Tenant

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


@dataclass(frozen=True, slots=True)
class Claim:
    """Which command an idempotency key stands for; ``new`` when nobody had claimed it before."""

    command_id: UUID
    body_digest: bytes
    new: bool


@dataclass(frozen=True, slots=True)
class Asking:
    """A key and the command it shall stand for, if it stands for none yet."""

    site_id: str
    account_id: str
    key: str
    body_digest: bytes
    command_id: UUID


_CLAIM = """
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::uuid[])
        AS a (site_id, account_id, key, body_digest, command_id)
), claimed AS (
    INSERT INTO command.idempotency_key (site_id, account_id, key, body_digest, command_id)
    SELECT * FROM asked ORDER BY site_id, account_id, key
    ON CONFLICT DO NOTHING RETURNING site_id, account_id, key, command_id, body_digest
)
SELECT site_id, account_id, key, command_id, body_digest, true FROM claimed
UNION ALL
SELECT site_id, account_id, key, k.command_id, k.body_digest, false
FROM command.idempotency_key k JOIN asked USING (site_id, account_id, key)
"""


async def claim(db: Connection, asking: Sequence[Asking]) -> list[Claim]:
    """Make each key stand for its command, or say what it already stands for, in the order asked.

    A claim that another process committed during the statement is not visible to it, hence the second look. Of several
    that ask for one key at once, the first is the new one.
    """
    found: dict[tuple[str, str, str], Claim] = {}
    for _ in range(3):
        left = [a for a in asking if (a.site_id, a.account_id, a.key) not in found]
        if not left:
            break
        columns = [[getattr(a, name) for a in left] for name in Asking.__slots__]
        for site_id, account_id, key, *claim in await db.fetch(_CLAIM, *columns):
            found[site_id, account_id, key] = Claim(*claim)
    if any((a.site_id, a.account_id, a.key) not in found for a in asking):
        raise TimeoutError("idempotency key")
    claims: list[Claim] = []
    for a in asking:
        claims.append(claimed := found[a.site_id, a.account_id, a.key])
        found[a.site_id, a.account_id, a.key] = replace(claimed, new=False)
    return claims


_DECIDED = "SELECT EXISTS (SELECT FROM approvals.outcome WHERE command_id = $1)"


async def decided(db: Connection, command_id: UUID) -> bool:
    """Has this command its outcome already?"""
    return bool(await db.fetchval(_DECIDED, command_id))


_TENANT = "SELECT client_key, site_id, encrypted_secret, installed FROM command.connect_tenant WHERE client_key = $1"


async def tenant(db: Connection, client_key: str) -> Tenant | None:
    """The install of this client key, present or past."""
    row = await db.fetchrow(_TENANT, client_key)
    return None if row is None else Tenant(**row)


_INSTALL = """
INSERT INTO command.connect_tenant (client_key, site_id, encrypted_secret, base_url, installed)
VALUES ($1, $2, $3, $4, true)
ON CONFLICT (client_key) DO UPDATE
SET encrypted_secret = excluded.encrypted_secret, base_url = excluded.base_url, installed = true, updated_at = now()
RETURNING site_id
"""


async def install(db: Connection, client_key: str, site_id: str, encrypted_secret: bytes, base_url: str) -> str:
    """Keep an install's new secret; a known client key keeps its site, which is returned."""
    return str(await db.fetchval(_INSTALL, client_key, site_id, encrypted_secret, base_url))


_UNINSTALL = "UPDATE command.connect_tenant SET installed = false, updated_at = now() WHERE client_key = $1 RETURNING site_id"


async def uninstall(db: Connection, client_key: str) -> str | None:
    """Accept no more tokens of this install; returns its site."""
    site: str | None = await db.fetchval(_UNINSTALL, client_key)
    return site
