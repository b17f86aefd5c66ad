"""Apache Kafka that speaks only TLS, asks everyone who they are, and allows what it was told to and nothing else."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from services.local.broker import Broker
from shared.clients import client
from shared.contracts.topics import Access
from shared.kafka import create_topics
from shared.settings import ServiceSettings
from tests.certificates import Authority

ADMIN = "admin"
_OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8}
_RESOURCES = {"topic": 2, "group": 3}
_LITERAL, _ALLOW = 3, 3


class SecuredBroker(Broker):
    """One in ``directory`` where each of these services has an account; ``ADMIN`` may do everything."""

    def __init__(self, directory: Path, services: Iterable[str]) -> None:
        super().__init__(directory)
        self._named = None
        self._authority = Authority(directory / "authority")
        self._passwords = {name: f"password-of-{name}" for name in (ADMIN, *services)}

    def settings(self, service: str, **changed: Any) -> dict[str, Any]:
        """What a service is told, to connect as itself."""
        return {
            "kafka": self.bootstrap, "kafka_security_protocol": "SASL_SSL", "kafka_username": service,
            "kafka_password": self._passwords[service], "kafka_ca_file": str(self._authority.file), **changed,
        }

    def _more_properties(self, controller: int) -> str:
        shown = self._authority.server("broker")
        store = self._directory / "broker.pem"
        store.write_bytes(shown.key.read_bytes() + shown.certificate.read_bytes())
        login = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{ADMIN}" password="{self._passwords[ADMIN]}";'
        lines = {
            "listeners": f"SASL_SSL://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"SASL_SSL://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "listener.name.controller.ssl.client.auth": "required",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
            "ssl.keystore.type": "PEM", "ssl.keystore.location": store,
            "ssl.truststore.type": "PEM", "ssl.truststore.location": self._authority.file,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:CN=broker",
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def _accounts(self) -> list[str]:
        return [
            word for name, password in self._passwords.items()
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ]

    def _client(self) -> dict[str, Any]:
        return client(ServiceSettings(**self.settings(ADMIN)), "admin")

    async def prepare(self, allowed: Iterable[Access], partitions: int) -> None:
        """Make the topics, and let each service do what is listed."""
        await create_topics(ServiceSettings(**self.settings(ADMIN)), partitions)
        admin = AIOKafkaAdminClient(**self._client())
        await admin.start()
        try:
            for one in allowed:
                answer = await admin._send_request(CreateAclsRequest(
                    _RESOURCES[one.resource], one.name, _LITERAL, f"User:{one.service}", "*", _OPERATIONS[one.operation], _ALLOW,
                ))
                assert [code for code, _ in answer.creation_responses] == [0], answer
        finally:
            await admin.close()
