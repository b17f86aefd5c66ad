"""Connect installs, from the database, and for a while from memory when it is away."""

import time

from services.command import store
from services.command.database import Away, Database
from shared.callers import Tenant

_MOST = 10_000


class Tenants:
    """Looks up installs; while the database is away, one read in the last ``seconds`` is as good.

    So long, at most, may a token of an install pass that another process has seen the end of. Secrets stay encrypted.
    """

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds
        self._read: dict[str, tuple[float, Tenant]] = {}

    async def find(self, client_key: str) -> Tenant | None:
        """The install of this client key, present or past.

        :raises Away: the database does not say, and it was not read lately.
        """
        try:
            async with self._database.connection() as db:
                tenant = await store.tenant(db, client_key)
        except Away:
            read_at, known = self._read.get(client_key, (0.0, None))
            if known is None or time.monotonic() - read_at > self._seconds:
                raise
            return known
        self.forget(client_key)
        if tenant is not None:
            self._read[client_key] = (time.monotonic(), tenant)
            if len(self._read) > _MOST:
                del self._read[next(iter(self._read))]
        return tenant

    def forget(self, client_key: str) -> None:
        """It has changed."""
        self._read.pop(client_key, None)
