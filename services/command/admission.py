"""From an authenticated request to a command on the log: claim its key, guard it early, publish it, perhaps wait."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5

from services.command import early, metrics
from services.command.backlog import Backlog
from services.command.claims import Claims
from services.command.database import Away, Database
from services.command.limits import InFlight
from services.command.publish import Publisher
from services.command.replies import Waiting
from services.command.requests import Asked
from services.command.store import Asking, Claim
from shared.clock import now
from shared.contracts.commands import SiteCommand
from shared.contracts.reasons import Reason
from shared.contracts.replies import Outcome
from shared.problems import Refusal
from shared.tokens import Principal

COMMANDS = UUID("3f6a1d52-8f0e-5b53-9d0c-54a3d2e7b6f8")
"""Namespace of command ids."""


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

    def command_id(self) -> UUID:
        """Follows from who asks and under which key, so that any repeat names the same command, whatever remembers it."""
        principal = self.principal
        return uuid5(COMMANDS, "\n".join((principal.site_id, principal.caller.account_id or "", self.key)))


@dataclass(frozen=True, slots=True)
class Admission:
    """What admits needs; made once, in the wiring."""

    database: Database
    claims: Claims
    publisher: Publisher
    backlog: Backlog
    waiting: Waiting
    in_flight: InFlight
    reply_partition: int
    facts_max_age: timedelta
    salt_key: bytes

    async def admit(self, demand: Demand, build: Callable[[Asked], SiteCommand]) -> tuple[SiteCommand, UUID, Outcome | None]:
        """The command, its id, and its outcome if one was waited for and came in time.

        A repeat under a known key is not guarded: what it asks for may have been done, and its outcome is wanted. While
        the database is away nothing is: the command is accepted under the id that its key gives it at any time, and
        ``decision`` tells a repeat by that. Should the repeat ask for something else, whichever is decided first stands,
        and both get its outcome.

        :raises Refusal: the key stands for something else, the guard is certain, too much waits for ``decision``, or the
            log does not answer.
        """
        self.backlog.check()
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
        command_id = demand.command_id()
        command = build(self._asked(demand, command_id))
        try:
            claim = await self._claim(demand, command_id)
            if not claim.new:
                return build(self._asked(demand, claim.command_id)), claim.command_id
            reason = await early.refusal(self.database, command, command_id, now() - self.facts_max_age)
        except Away:
            metrics.UNCLAIMED.add(1)
            return command, command_id
        if reason is not None:
            raise Refusal(reason)
        return command, command_id

    async def _claim(self, demand: Demand, command_id: UUID) -> Claim:
        principal, digest = demand.principal, demand.digest()
        account = principal.caller.account_id or ""
        claim = await self.claims.claim(Asking(principal.site_id, account, demand.key, digest, command_id))
        if not hmac.compare_digest(claim.body_digest, digest):
            raise Refusal(Reason.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")
        return claim

    def _asked(self, demand: Demand, command_id: UUID) -> Asked:
        """The salt must be the same for a repeat, and unknowable once the idempotency key has been forgotten."""
        salt = hmac.new(self.salt_key, command_id.bytes + demand.key.encode(), hashlib.sha256).hexdigest()[:32]
        principal = demand.principal
        return Asked(principal.site_id, principal.caller, demand.path, command_id, demand.expected_version, salt)
