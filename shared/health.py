"""Liveness, readiness and metrics of a process, over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[bool]]


def router(checks: dict[str, Check]) -> APIRouter:
    """``/health/live``, ``/health/ready`` (every check true within two seconds) and ``/metrics``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @routes.get("/health/ready")
    async def ready(response: Response) -> dict[str, bool]:
        async def run(check: Check) -> bool:
            try:
                return await asyncio.wait_for(check(), 2)
            except Exception:  # noqa: BLE001 - whatever fails, the answer is "not ready"
                return False

        results = dict(zip(checks, await asyncio.gather(*map(run, checks.values())), strict=True))
        response.status_code = 200 if all(results.values()) else 503
        return results

    @routes.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return routes
