"""Liveness, readiness and metrics of a process, over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[bool]]


def router(checks: Mapping[str, Check], shown: Mapping[str, Check] = MappingProxyType({})) -> APIRouter:
    """``/health/live``, ``/health/ready`` (every check true within two seconds) and ``/metrics``.

    What is only ``shown`` is looked at too, but the process is ready without it.
    """
    routes = APIRouter(include_in_schema=False)

    @routes.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @routes.get("/health/ready")
    async def ready(response: Response) -> dict[str, bool]:
        async def run(check: Check) -> bool:
            looking = asyncio.ensure_future(check())
            await asyncio.wait({looking}, timeout=2)  # not for its end: a check may hang even when it is cancelled
            looking.cancel()
            return looking.done() and not looking.cancelled() and looking.exception() is None and looking.result()

        every = {**checks, **shown}
        results = dict(zip(every, await asyncio.gather(*map(run, every.values())), strict=True))
        response.status_code = 200 if all(results[name] for name in checks) else 503
        return results

    @routes.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return routes
