"""The image builds from its recipe, holds what a service needs and no tools, and runs as nobody in particular on a root it cannot write."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet

from services.local.child import Child, free_port
from tests.contract.deployed import USER, pinned
from tests.contract.image import DOCKERFILE, Build, Stage, bare, in_memory, instructions, wheels
from tests.stack import Database

pytestmark = pytest.mark.timeout(900)
UNPRIVILEGED = [
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all",
]
"""How a container's process runs: with no capability, and no way to get one."""
READ_ONLY = """
mount --make-rprivate /
mount --bind "$0" "$0"
mount -o remount,ro,bind "$0"
mount -t tmpfs tmpfs "$0/tmp"
exec chroot "$0" "$@"
"""


@pytest.fixture(scope="module")
def image() -> Iterator[Stage]:
    """The image, built once."""
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        pytest.skip("NOT TESTED: the image is only built by root, with mmdebstrap (apt-get install --no-install-recommends mmdebstrap)")
    with contextlib.ExitStack() as stack:
        try:
            directory = stack.enter_context(in_memory())
            debian = bare(directory / "debian")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"NOT TESTED: nothing may be mounted here, or no mirror of Debian answers: {error.stderr.decode()[-300:]}")
        yield Build(debian, wheels(directory / "wheels"), directory).image()


def test_the_recipe_is_clean() -> None:
    done = subprocess.run([Path(sys.executable).with_name("hadolint"), DOCKERFILE], capture_output=True, text=True, check=False)  # noqa: S603 - our own file
    assert done.returncode == 0, done.stdout


def test_its_base_has_a_version_and_it_installs_only_what_is_locked() -> None:
    said = instructions()
    assert all(pinned(rest.partition(" AS ")[0]) for name, rest in said if name == "FROM")
    installs = [rest for name, rest in said if name == "RUN" and "pip install" in rest]
    assert len(installs) == 1 and "--require-hashes -r requirements.lock" in installs[0]
    assert not [rest for _, rest in said if re.search(r"apt|curl|wget|ADD|https?:", rest)]
    assert [rest for name, rest in said if name == "USER"] == [f"{USER}:{USER}"]


def test_it_holds_the_services_and_no_tools(image: Stage) -> None:
    assert image.entrypoint == ["python", "-m"] and image.user == f"{USER}:{USER}"
    image.run([*image.entrypoint, *image.command], {})
    assert {path.name for path in (image.root / "app").iterdir()} == {"shared", "services"}
    assert not list(image.root.glob("app/**/__pycache__")) and not (image.root / "build").exists()
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        image.run(["python", "-m", "pip", "--version"], {})
    tools = [name for name in ("gcc", "cc", "make", "git", "curl", "pip", "pip3") if shutil.which(name, path=path_of(image))]
    assert not tools


def path_of(image: Stage) -> str:
    return ":".join(str(image.root) + part for part in image.environment["PATH"].split(":"))


def test_who_runs_it_owns_nothing_but_the_archive(image: Stage) -> None:
    places = [image.root / name for name in ("app", "opt", "usr", "etc", "archive")]
    owned = subprocess.run(["find", *places, "-uid", str(USER)], capture_output=True, text=True, check=True)  # noqa: S603, S607 - our own tree
    assert owned.stdout.split() == [str(image.root / "archive")]


@asynccontextmanager
async def running(image: Stage, database: Database, log: Path) -> AsyncIterator[Child]:
    """The console as a container runs it, once it says that it is ready."""
    port = free_port()
    told = image.environment | {
        "APPROVALFLOW_HTTP_PORT": str(port), "APPROVALFLOW_DATABASE": database.dsn("console"),
        "APPROVALFLOW_ENCRYPTION_KEY": Fernet.generate_key().decode(), "HOME": "/tmp",  # noqa: S108 - the container's
    }
    inside = ["env", "-i", "-C", image.directory, *(f"{name}={value}" for name, value in told.items()), *UNPRIVILEGED]
    start = ["unshare", "--mount", "sh", "-euc", READ_ONLY, str(image.root), *inside, *image.entrypoint, "services.console"]
    child = Child("console", start, log)
    address = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{address}/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    try:
        await child.ready(answers, 120)
        yield child
    finally:
        await child.stop()


async def test_a_service_runs_in_it_without_rights_and_ends_cleanly(image: Stage, database: Database, tmp_path: Path) -> None:
    async with running(image, database, tmp_path / "console.log") as child:
        status = Path(f"/proc/{child.pid}/status").read_text()
        assert set(re.findall(r"^Uid:\t(.*)$", status, re.MULTILINE)[0].split("\t")) == {str(USER)}
        assert re.findall(r"^Cap(?:Inh|Prm|Eff|Bnd):\t(\w+)$", status, re.MULTILINE) == ["0" * 16] * 4
        assert re.findall(r"^NoNewPrivs:\t(\d)$", status, re.MULTILINE) == ["1"]
        with pytest.raises(OSError, match="Read-only file system"):
            Path(f"/proc/{child.pid}/root/app/written").touch()
    assert child.ended_with == 0, (tmp_path / "console.log").read_text()
