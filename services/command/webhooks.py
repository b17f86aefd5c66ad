"""What Confluence sends: authenticated, translated, on the log, and only then answered 204."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from services.command import metrics
from services.command.authenticate import Authenticator
from services.command.backlog import Backlog
from services.command.domain import Translation, Window, read_object
from services.command.lifecycle import Lifecycle
from services.command.limits import InFlight
from services.command.openapi import webhook_documented
from services.command.publish import Publisher
from services.command.translate_forge import translate
from services.command.translate_hooks import translate_connect, translate_data_center
from shared.clock import now
from shared.contracts.base import Channel
from shared.contracts.reasons import Reason
from shared.problems import Refusal

Translated = Callable[[Request], Awaitable[Translation]]


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What the routes need; made once, in the wiring."""

    authenticator: Authenticator
    lifecycle: Lifecycle
    publisher: Publisher
    backlog: Backlog
    in_flight: InFlight
    window: Window

    def router(self) -> APIRouter:
        """All channels. Lifecycle routes come first, since the last Connect route takes any name."""
        routes = APIRouter(prefix="/webhooks", tags=["webhooks"])
        for path, channel, translated, summary in (
            ("/forge", Channel.FORGE, self._forge, "Events of a Forge app"),
            (
                "/connect/installed",
                Channel.CONNECT,
                self.lifecycle.installed,
                "A Connect app was installed, or its secret changed",
            ),
            ("/connect/uninstalled", Channel.CONNECT, self.lifecycle.uninstalled, "A Connect app was removed"),
            ("/connect/{event}", Channel.CONNECT, self._connect, "Events of a Connect app, named by the path"),
            ("/data-center", Channel.DATA_CENTER, self._data_center, "Events of the Data Center site in `?site=`"),
        ):
            routes.add_api_route(path, self._route(channel, translated), methods=["POST"], **webhook_documented(path, summary))
        return routes

    async def _forge(self, request: Request) -> Translation:
        principal = await self.authenticator.forge(request)
        if principal.caller.account_id is not None:  # events are told by Confluence; a person's token is a frontend's
            raise Refusal(Reason.NOT_PERMITTED)
        return translate(read_object(await request.body()), principal.site_id, principal.caller, now())

    async def _connect(self, request: Request) -> Translation:
        principal = await self.authenticator.connect(request)
        body = read_object(await request.body())
        return translate_connect(request.path_params["event"], body, principal.site_id, principal.caller, now())

    async def _data_center(self, request: Request) -> Translation:
        principal = self.authenticator.data_center(request, await request.body())
        return translate_data_center(read_object(await request.body()), principal.site_id, principal.caller, now())

    def _route(self, channel: Channel, translated: Translated) -> Callable[[Request], Awaitable[Response]]:
        async def receive(request: Request) -> Response:
            with metrics.admission(channel) as admitted, self.in_flight.one():
                found = await translated(request)
                metrics.WEBHOOKS.add(1, {"channel": channel.value, "kind": found.kind})
                admitted.outcome = "ignored" if found.fact is None else "accepted"
                return await self._answer(found)

        receive.__name__ = translated.__name__.lstrip("_")
        return receive

    async def _answer(self, found: Translation) -> Response:
        if found.fact is None or found.id is None:
            return Response(status_code=200)
        moment = now()
        self.window.check(found.fact.happened_at, moment, "/timestamp")
        self.backlog.check()
        await self.publisher.publish(found.fact, found.id, moment)
        return Response(status_code=204)
