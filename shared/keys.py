"""Public key sets (JWKS) from a file or an address, kept and read again when an unknown key turns up."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from shared.tokens import Keys, peek

REFRESH_SECONDS = 30.0
"""A key set is read at most this often, so that tokens with invented key ids cannot make us call out."""

KEEP_SECONDS = 600.0
"""A key set is read again after so long even if no unknown key turns up, so that a key withdrawn is trusted no longer."""


class KeySource:
    """The RSA keys at a path or an ``http(s)`` address; an empty address holds none. While they cannot be read, those known stay."""

    def __init__(self, address: str, client: httpx.AsyncClient) -> None:
        self._address = address
        self._client = client
        self._keys: dict[str, RSAKey] = {}
        self._read_at: float | None = None
        self._reading = asyncio.Lock()
        self._again: asyncio.Task[None] | None = None

    async def keys_for(self, token: str) -> Keys:
        """The keys, read again first if the token names one that is not known, and in the background once they are old.

        :raises Unauthenticated: the token names no key.
        """
        kid = peek(token, 0, "kid")
        if kid not in self._keys:
            async with self._reading:
                if kid not in self._keys and self._due(REFRESH_SECONDS):
                    await self._refresh()
        elif self._due(KEEP_SECONDS):
            self._read_at = time.monotonic()
            self._again = asyncio.create_task(self._refresh())
        return self._keys

    def _due(self, seconds: float) -> bool:
        return bool(self._address) and (self._read_at is None or time.monotonic() - self._read_at >= seconds)

    async def _refresh(self) -> None:
        self._read_at = time.monotonic()
        try:
            keys = KeySet.import_key_set(await self._read())
        except (httpx.HTTPError, OSError, JoseError, ValueError, TypeError, KeyError) as error:
            structlog.get_logger().warning("key set unreadable", error=type(error).__name__)
            return
        self._keys = {key.kid: key for key in keys.keys if isinstance(key, RSAKey) and key.kid}

    async def _read(self) -> Any:
        if not self._address.startswith(("http://", "https://")):
            return orjson.loads(await asyncio.to_thread(Path(self._address).read_bytes))
        return await self._get(self._address)

    async def _get(self, address: str) -> Any:
        response = await self._client.get(address, timeout=3)
        return orjson.loads(response.raise_for_status().content)


class IssuerKeys(KeySource):
    """The RSA keys of an OpenID Connect provider, found where its configuration says (OpenID Connect Discovery 1.0)."""

    async def _read(self) -> Any:
        said = await self._get(configuration(self._address))
        if said["issuer"] != self._address:
            raise ValueError("the configuration of another issuer")
        return await self._get(said["jwks_uri"])


def configuration(issuer: str) -> str:
    """Where a provider says how it is reached."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"
