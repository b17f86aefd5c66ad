"""The composition root: everything made once, and stopped in the reverse order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import asyncpg
import httpx
from aiokafka.errors import KafkaError
from cryptography.fernet import Fernet, MultiFernet
from fastapi import FastAPI

from services.console import ingress
from services.console.cursors import Cursors
from services.console.headers import Guarded
from services.console.ingress import Reads
from services.console.overview import Overview
from services.console.plans import Plans
from services.console.settings import Settings
from services.console.signals import Signals
from services.console.store import approvals
from services.console.watch import Watch
from services.console.web.app import application as pages
from services.console.web.asking import Commands
from services.console.web.signin import provider
from services.console.web.state import Web
from shared import health, postgres, problems, telemetry
from shared.callers import Callers
from shared.clock import now
from shared.contracts.topics import WATCHED
from shared.lags import Lags
from shared.openapi import complete
from shared.process import background, keep, within


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[FastAPI]:
    """The running application. The broker is only looked at by operators, so reads do not need it."""
    async with AsyncExitStack() as stack:
        pool = await postgres.connect_pool(settings.database.get_secret_value(), settings.pool_size, "approvalflow-console")
        stack.push_async_callback(within, settings.leave_seconds, pool.close)
        client = await stack.enter_async_context(httpx.AsyncClient(follow_redirects=False))
        lags = Lags(settings, "console", WATCHED["console"])
        stack.push_async_callback(lags.close)
        services = {name.replace("_", "-"): str(address).rstrip("/") for name, address in settings.services.items()}

        watch = Watch(postgres.across_sites(pool), lags, lambda: now() - settings.facts_max_age)
        watching = keep(watch.look, settings.watch_seconds, (*postgres.UNAVAILABLE, KafkaError), "state")
        stack.enter_context(watch.shown())
        await stack.enter_async_context(background(asyncio.create_task(watching), settings.leave_seconds))

        async def database() -> bool:
            return bool(await pool.fetchval("SELECT 1"))

        signals = Signals(client, services, settings.look_seconds)
        reading = keep(signals.look, settings.watch_seconds, (OSError,), "signals")
        await stack.enter_async_context(background(asyncio.create_task(reading), settings.leave_seconds))
        overview = Overview(postgres.across_sites(pool), lags, client, services, signals, settings.look_seconds)
        app = application(settings, pool, client)
        app.include_router(health.router({"database": database}))
        commands = Commands(client, settings.command_url, settings.command_seconds)
        reads: Reads = app.state.reads
        plans = Plans(client, services.get("retention"))
        app.mount("", pages(Web(
            settings, pool, reads.callers, commands, reads.cursors, provider(settings), overview, signals, plans,
        )))
        yield app


def application(settings: Settings, pool: asyncpg.Pool, client: httpx.AsyncClient) -> FastAPI:
    """The routes and all they need; nothing here is connected."""
    fernet = MultiFernet([Fernet(key) for key in settings.encryption_keys()])
    callers = Callers(settings, partial(approvals.tenant, pool), fernet, client)
    app = Guarded(
        provider=settings.oidc_issuer,
        title="ApprovalFlow console",
        version="1",
        description="Where approvals stand, what waits for whom, and the audit log.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=telemetry.HTTP,
        root_path=urlsplit(settings.base_url).path.rstrip("/"),
    )
    app.state.reads = Reads(callers, pool, Cursors(fernet), settings.facts_max_age)
    problems.install(app, postgres.UNAVAILABLE)
    app.include_router(ingress.routes)
    complete(app)
    return app
