"""From an authenticated request to a command on the log: claim its key, guard it early, publish it, perhaps wait."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from services.command import early
from services.command.claims import Claims
from services.command.limits import InFlight
from services.command.publish import Publisher
from services.command.replies import Waiting
from services.command.requests import Asked
from services.command.store import Asking
from shared.clock import now
from shared.contracts.commands import SiteCommand
from shared.contracts.reasons import Reason
from shared.contracts.replies import Outcome
from shared.problems import Refusal
from shared.tokens import Principal


@dataclass(frozen=True, slots=True)
class Demand:
    """A request as it came: ``content`` is everything that a repeat under the same key must repeat."""

    principal: Principal
    key: str
    content: tuple[bytes, ...]
    path: dict[str, str]
    expected_version: int | None
    wait: float

    def digest(self) -> bytes:
        """SHA-256 over the content, its parts kept apart."""
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in self.content)).digest()


@dataclass(frozen=True, slots=True)
class Admission:
    """What admits needs; made once, in the wiring."""

    pool: asyncpg.Pool
    claims: Claims
    publisher: Publisher
    waiting: Waiting
    in_flight: InFlight
    reply_partition: int
    facts_max_age: timedelta
    salt_key: bytes

    async def admit(self, demand: Demand, build: Callable[[Asked], SiteCommand]) -> tuple[SiteCommand, UUID, Outcome | None]:
        """The command, its id, and its outcome if one was waited for and came in time.

        A repeat under a known key is not guarded: what it asks for may have been done, and its outcome is wanted.

        :raises Refusal: the key stands for something else, the guard is certain, or the log does not answer.
        """
        with self.in_flight.one():
            command, command_id = await self._claimed(demand, build)
        async with self.waiting.for_outcome(command_id, demand.wait > 0) as future:
            partition = None if future is None else self.reply_partition
            with self.in_flight.one():
                await self.publisher.publish(command, command_id, now(), partition)
            if future is None:
                return command, command_id, None
            done, _ = await asyncio.wait({future}, timeout=demand.wait)
            return command, command_id, future.result() if done else None

    async def _claimed(self, demand: Demand, build: Callable[[Asked], SiteCommand]) -> tuple[SiteCommand, UUID]:
        principal, moment = demand.principal, now()
        fresh = time_ordered(moment)
        command = build(self._asked(demand, fresh))
        account = principal.caller.account_id or ""
        digest = demand.digest()
        claim = await self.claims.claim(Asking(principal.site_id, account, demand.key, digest, fresh))
        if not hmac.compare_digest(claim.body_digest, digest):
            raise Refusal(Reason.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")
        if not claim.new:
            return build(self._asked(demand, claim.command_id)), claim.command_id
        if reason := await early.refusal(self.pool, command, moment - self.facts_max_age):
            raise Refusal(reason)
        return command, fresh

    def _asked(self, demand: Demand, command_id: UUID) -> Asked:
        """The salt must be the same for a repeat, and unknowable once the idempotency key has been forgotten."""
        salt = hmac.new(self.salt_key, command_id.bytes + demand.key.encode(), hashlib.sha256).hexdigest()[:32]
        principal = demand.principal
        return Asked(principal.site_id, principal.caller, demand.path, command_id, demand.expected_version, salt)


def time_ordered(moment: datetime) -> UUID:
    """A UUID of version 7: milliseconds first, so that rows of one time lie together, then 74 random bits."""
    milliseconds = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return UUID(int=value)
