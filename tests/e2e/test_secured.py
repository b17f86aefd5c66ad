"""Every service with its own account on a broker and a database that speak only TLS, and its secrets in files."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from services.local import maven, provider
from services.local.child import free_port
from services.local.issuer import LocalIssuer
from services.local.served import served
from services.local.supervisor import FIXED_PORTS, PARTITIONS, SERVICES, Stack
from shared.contracts.topics import acls
from tests.e2e.site import ANN, BOB, Site, approvers, refused, step
from tests.integration.secured_broker import SecuredBroker
from tests.integration.secured_postgres import SecuredPostgres
from tests.unit.test_settings import SETTINGS, secret
from tests.waiting import until

pytestmark = [
    pytest.mark.skipif(
        bool(maven.missing()) and not os.environ.get("APPROVALFLOW_REQUIRE_KAFKA"), reason="NOT PROVED HERE: Maven fetches what knows TLS",
    ),
    pytest.mark.timeout(300),
]


def account(service: str) -> str:
    """What the broker calls a service."""
    return service.replace("_", "-")


class Secured(Stack):
    """Services are told no secret: they find each in a file."""

    def __init__(self, state: Path, broker: SecuredBroker, database: SecuredPostgres) -> None:
        ports = {name: free_port() for name in FIXED_PORTS}
        issuer = LocalIssuer.load_or_create(state / "issuer", provider=f"http://127.0.0.1:{ports['provider']}")
        super().__init__(state, issuer, database.server, broker, ports)
        self._secured = broker, database

    def environment(self, name: str) -> dict[str, str]:
        broker, database = self._secured
        told = {key.removeprefix("APPROVALFLOW_").lower(): value for key, value in super().environment(name).items()}
        told |= broker.settings(account(name)) | {"database": database.dsn(name)}
        hidden = secret(SETTINGS[name])
        kept = self.state / "secrets" / name
        kept.mkdir(parents=True)
        for setting in hidden & told.keys():
            (kept / f"approvalflow_{setting}").write_text(told[setting])
        never = set[str]().union(*(secret(settings) for settings in SETTINGS.values()))
        return {f"APPROVALFLOW_{key.upper()}": value for key, value in told.items() if key not in never} | {
            "APPROVALFLOW_SECRETS_DIR": str(kept),
        }


@pytest_asyncio.fixture(scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    """The whole system."""
    state = tmp_path_factory.mktemp("secured")
    broker, database = SecuredBroker(state / "kafka", map(account, SERVICES)), SecuredPostgres(state / "postgres")
    stack = Secured(state, broker, database)
    async with served(provider.application(stack.issuer, stack.address("console")), stack.provider):
        try:
            await database.start(SERVICES)
            await broker.start()
            await broker.prepare(acls(), PARTITIONS)
            for name in SERVICES:
                stack.start_service(name)
            for name in SERVICES:
                await stack.wait_ready(name)
            yield stack
        finally:
            for child in stack.children.values():
                await child.stop()
            await broker.stop()
            await database.stop()


async def test_a_page_is_approved_and_audited(secured: Secured) -> None:
    async with httpx.AsyncClient(timeout=20) as client:
        site = Site(secured, client, "site-secured")
        await site.prepare()
        approval = await site.submit("7", await site.workflow(step(approvers(ANN))))
        refused(await site.approve(approval, BOB), 403, "not_an_approver")
        decided = (await site.approve(approval, ANN)).json()
        assert decided["status"] == "approved"

        async def audited() -> bool:
            entries = (await site.read("/v1/audit/pages/7")).json()["entries"]
            return decided["command_id"] in {entry["event_id"] for entry in entries}

        await until(audited)


@pytest.mark.parametrize("service", SERVICES)
async def test_no_secret_is_in_the_environment_of_a_process_or_in_its_log(secured: Secured, service: str) -> None:
    secrets = [path.read_bytes() for path in (secured.state / "secrets" / service).iterdir()]
    assert len(secrets) >= 2
    told = Path(f"/proc/{secured.children[service].pid}/environ").read_bytes()
    logged = secured.children[service].log.read_bytes()
    assert [one for one in secrets if one in told or one in logged] == []
