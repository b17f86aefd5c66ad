"""What a visitor asks for, handed to ``command`` in their own name, and what became of it."""

from typing import Any, Literal

import httpx
import orjson

from shared import tracing
from shared.contracts.reasons import Reason
from shared.problems import Refusal

Method = Literal["POST", "PUT", "DELETE"]


class Commands:
    """A client of ``command``; ``seconds`` is how long it may take to answer, of which it may wait for the outcome for all but one."""

    def __init__(self, client: httpx.AsyncClient, address: str, seconds: float) -> None:
        self._client = client
        self._address = address.rstrip("/")
        self._seconds = seconds

    async def ask(
        self, token: str, method: Method, path: str, body: dict[str, Any], *, key: str, version: int | None = None
    ) -> dict[str, Any]:
        """Send a command under an idempotency key, perhaps for one version only. The answer names it: ``command_id``.

        :raises Refusal: it was refused, and why.
        """
        headers = {"Authorization": f"OpenID {token}", "Idempotency-Key": key, "Prefer": f"wait={max(self._seconds - 1, 0):.0f}"}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if trace := tracing.sent():
            headers["traceparent"] = trace
        try:
            response = await self._client.request(
                method, self._address + path, content=orjson.dumps(body), headers=headers, timeout=self._seconds,
            )
            answer: dict[str, Any] = orjson.loads(response.content)
        except (httpx.HTTPError, ValueError):
            raise Refusal(Reason.UNAVAILABLE) from None
        if response.is_success:
            return answer
        try:
            raise Refusal(Reason(answer["reason"]), answer.get("field"), status=response.status_code)
        except (KeyError, ValueError):
            raise Refusal(Reason.UNAVAILABLE) from None
