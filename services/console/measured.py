"""Every route of this service is measured in one way."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from services.console import metrics


class Measured(APIRoute):
    """A route that tells how long it took, and what it was refused for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, measured."""
        handle = super().get_route_handler()

        async def measured(request: Request) -> Response:
            with metrics.read(self.name):
                return await handle(request)

        return measured
