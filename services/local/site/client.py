"""Signed requests, as Confluence and an app's users send them."""

import asyncio
import ssl
import time
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle
from typing import Any

import httpx
import orjson

from services.local.issuer import LicenceSaid, LocalIssuer
from services.local.site.bodies import Hook
from services.local.site.tally import APPLIED, Tally
from services.local.site.world import Site

_POOL = 8
"""Connections of one pool."""
_TOKEN_SECONDS = 15.0
"""A person's token is used again for this long; it lives ten seconds more."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A command of ``account``, or of the app itself where that is None."""

    method: str
    path: str
    body: dict[str, Any] | bytes
    account: str | None
    licence: LicenceSaid = "active"
    key: str | None = None


class Client:
    """Sends to one system, over connections that are kept, and counts."""

    give_up = 30.0
    """Seconds after which an answer is no longer waited for."""

    def __init__(self, address: str, issuer: LocalIssuer, tally: Tally, connections: int, prefix: str) -> None:
        # A pool looks at each of its connections for every request, so many small ones cost less than one large.
        context, limits = ssl.create_default_context(), httpx.Limits(max_connections=_POOL, max_keepalive_connections=_POOL)
        self._pools = [
            httpx.AsyncClient(base_url=address, limits=limits, timeout=httpx.Timeout(self.give_up), verify=context)
            for _ in range(-(-connections // _POOL))
        ]
        self._turn = cycle(self._pools)
        self._issuer = issuer
        self._tokens: dict[tuple[str, str | None, LicenceSaid], tuple[float, str]] = {}
        self._keys = 0
        self._prefix = prefix
        self.tally = tally

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(pool.aclose() for pool in self._pools))

    def new_key(self) -> str:
        """An Idempotency-Key that nobody used before."""
        self._keys += 1
        return f"{self._prefix}-{self._keys}"

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request as it is; what follows from its answer is up to the caller."""
        return await next(self._turn).request(method, path, **options)

    async def command(self, site: Site, ask: Ask, expected: Collection[str] = (APPLIED,)) -> dict[str, Any]:
        """Send it, wait for its outcome, and compare. The answer's body gets ``became``: applied, or a reason."""
        key, started = ask.key or self.new_key(), time.perf_counter()
        body = ask.body if isinstance(ask.body, bytes) else orjson.dumps(ask.body)
        response = await self._sent(site, ask, key, body)
        answer: dict[str, Any] = response.json()
        answer["became"] = APPLIED if response.status_code == HTTPStatus.OK else answer.get("reason", str(response.status_code))
        if answer["became"] == APPLIED:
            self.tally.accepted.add(answer["command_id"])
            self.tally.applied[answer["command_id"]] = answer["version"]
            if ask.path.endswith("/decisions"):
                self.tally.decide.record_value(int((time.perf_counter() - started) * 1e6))
        self.tally.command(f"{ask.method} {ask.path} on {site.id}", answer["became"], expected)
        return answer

    async def _sent(self, site: Site, ask: Ask, key: str, body: bytes) -> httpx.Response:
        """The answer to a command; one that is not there yet is asked for again under the same key."""
        async with asyncio.timeout(self.give_up):
            while True:
                path, authorization = self._signed(site, ask)
                response = await self.request(ask.method, path, content=body, headers={
                    "Authorization": authorization, "Idempotency-Key": key, "Prefer": "wait=10",
                    "Content-Type": "application/json",
                })
                if response.status_code == HTTPStatus.ACCEPTED:
                    self.tally.accepted.add(response.json()["command_id"])
                elif response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    return response
                self.tally.repeated += 1
                await asyncio.sleep(float(response.headers.get("Retry-After", 0)))

    def _signed(self, site: Site, ask: Ask) -> tuple[str, str]:
        if site.kind == "connect":
            path = f"{ask.path}?lic={'active' if ask.licence == 'active' else 'none'}"
            return path, f"JWT {self._issuer.connect(ask.account, ask.method, path)}"
        return ask.path, f"Bearer {self._token(site, ask.account, ask.licence)}"

    def _token(self, site: Site, account: str | None, licence: LicenceSaid = "active") -> str:
        made, token = self._tokens.get((site.id, account, licence), (0.0, ""))
        if time.monotonic() - made > _TOKEN_SECONDS or not token:
            token = self._issuer.forge(site.id, account, licence)
            self._tokens[site.id, account, licence] = (time.monotonic(), token)
        return token

    async def hook(self, site: Site, hook: Hook, expected: str = "204", *, forged: bool = False, raw: bytes | None = None) -> None:
        """Post a webhook; a forged one is signed for another body or path than its own, or not by whom it says."""
        body = orjson.dumps(hook.body) if raw is None else raw
        async with asyncio.timeout(self.give_up):
            while True:
                headers = {"Content-Type": "application/json"} | self._hook_signature(site, hook, body, forged=forged)
                response = await self.request("POST", hook.path, content=body, headers=headers)
                if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    break
                self.tally.repeated += 1
                await asyncio.sleep(float(response.headers.get("Retry-After", 0)))
        if hook.told is not None and response.status_code == HTTPStatus.NO_CONTENT:
            self.tally.told.add((site.id, *hook.told))
        self.tally.webhook(f"POST {hook.path}", str(response.status_code), expected)

    def _hook_signature(self, site: Site, hook: Hook, body: bytes, *, forged: bool) -> dict[str, str]:
        if site.kind == "data-center":
            return self._issuer.data_center(site.id, body + b" " if forged else body)
        if site.kind == "connect":
            return {"Authorization": f"JWT {self._issuer.connect(None, 'POST', '/elsewhere' if forged else hook.path)}"}
        token = self._token(site, None)
        head, claims, signature = token.split(".")
        return {"Authorization": f"Bearer {f'{head}.{claims}.{signature[::-1]}' if forged else token}"}

    async def install(self, address: str) -> None:
        """Install the local Connect tenant."""
        path = "/webhooks/connect/installed"
        token = self._issuer.install(address, path)
        response = await self.request("POST", path, json=self._issuer.install_body(), headers={"Authorization": f"JWT {token}"})
        self.tally.webhook(f"POST {path}", str(response.status_code), "204")
