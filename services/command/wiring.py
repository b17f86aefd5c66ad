"""The composition root: everything made once, and stopped in the reverse order."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
from cryptography.fernet import Fernet, MultiFernet
from fastapi import FastAPI

from services.command import metrics, openapi, replies
from services.command.admission import Admission
from services.command.authenticate import Authenticator
from services.command.backlog import Backlog, keep_measuring
from services.command.claims import Claims
from services.command.database import Away, Database
from services.command.domain import Window
from services.command.ingress import Api
from services.command.lifecycle import Lifecycle
from services.command.limits import InFlight, Rates, Repeats
from services.command.publish import Publisher
from services.command.settings import Settings
from services.command.tenants import Tenants
from services.command.webhooks import Webhooks
from shared import health, kafka, postgres, problems, telemetry
from shared.body import BodyLimit
from shared.contracts.topics import WATCHED
from shared.lags import Lags
from shared.openapi import complete
from shared.process import background, on_stop, within
from shared.watchdog import Watchdog


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[FastAPI]:
    """The running application."""
    async with AsyncExitStack() as stack:
        pool = await postgres.connect_pool(
            settings.database.get_secret_value(), settings.pool_size, "approvalflow-command", needed=False
        )
        stack.push_async_callback(within, settings.leave_seconds, pool.close)
        client = await stack.enter_async_context(httpx.AsyncClient(follow_redirects=False))
        broker = kafka.connect(settings, "command")
        waiting = replies.Waiting(settings.max_waiting)
        subscriber = replies.follow(broker, settings.reply_partition, waiting)
        stack.push_async_callback(within, settings.leave_seconds, broker.stop)
        await broker.start()
        await replies.positioned(subscriber, settings.reply_partition)
        watchdog = Watchdog(settings, "command", settings.stall_seconds, metrics.STALLS)
        await stack.enter_async_context(watchdog.watching(lambda: subscriber.consumer))

        metrics.begin()
        backlog = Backlog(settings.backlog_limit)
        lags = Lags(settings, "command", WATCHED["command"])
        stack.push_async_callback(lags.close)
        measuring = asyncio.create_task(keep_measuring(lags, backlog))
        await stack.enter_async_context(background(measuring, settings.leave_seconds))
        database = Database(pool, settings.database_seconds, settings.database_rest_seconds)

        async def answers() -> bool:
            async with database.connection() as db:
                return bool(await db.fetchval("SELECT true"))

        async def log() -> bool:
            return not watchdog.stalled and bool(await broker.ping(1.5))

        app = application(settings, database, client, Publisher(broker, settings.publish_seconds), waiting, backlog)
        on_stop(app, waiting.stop)
        app.include_router(health.router({"log": log}, {"database": answers}))
        yield app


def application(
    settings: Settings,
    database: Database,
    client: httpx.AsyncClient,
    publisher: Publisher,
    waiting: replies.Waiting,
    backlog: Backlog,
) -> FastAPI:
    """The routes and all they need; nothing here is connected."""
    fernet = MultiFernet([Fernet(key) for key in settings.encryption_keys()])
    tenants = Tenants(database, settings.tenant_seconds)
    authenticator = Authenticator(settings, tenants.find, fernet, client)
    lifecycle = Lifecycle(authenticator, database, tenants, fernet)
    in_flight = InFlight(settings.max_in_flight)
    metrics.IN_FLIGHT.show(lambda: [(in_flight.count, {})])
    repeats = Repeats(settings.repeated_refusals, settings.repeated_seconds)
    rates = Rates(settings.actor_requests, settings.site_requests, settings.rate_seconds)
    window = Window(timedelta(seconds=settings.max_past_seconds), timedelta(seconds=settings.max_future_seconds))
    salt_key = hashlib.sha256(b"comment salt\n" + settings.encryption_keys()[-1].encode()).digest()
    admission = Admission(
        database, Claims(database), publisher, backlog, waiting, in_flight, settings.reply_partition, settings.facts_max_age,
        salt_key,
    )
    app = FastAPI(
        title="ApprovalFlow",
        version="1",
        description="Commands of people and apps, and what Confluence sends.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=telemetry.HTTP,
        root_path=urlsplit(settings.base_url).path.rstrip("/"),
    )
    problems.install(app, (Away, *postgres.UNAVAILABLE))
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, seconds=settings.body_seconds)
    app.include_router(Webhooks(authenticator, lifecycle, publisher, backlog, in_flight, window).router())
    api = Api(authenticator, admission, window, repeats, rates, settings.max_wait_seconds, settings.console_url.rstrip("/"))
    app.include_router(api.router())
    complete(app, openapi.schemas)
    return app
