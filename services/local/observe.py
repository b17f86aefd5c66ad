"""Prometheus and Alertmanager beside a running system, with the rules and routes that are shipped."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

import httpx
import orjson

from services.local.child import Child, free_port
from services.local.supervisor import ChildEnded

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAMS = ("prometheus", "prometheus-alertmanager")
"""As Debian names them."""
RESPONDERS = ("approvals-oncall", "platform-oncall", "security-oncall")
SEVERITIES = ("page", "ticket")
_SHIPPED = ("alertmanager/alertmanager.yml", "prometheus/prometheus.yml", "prometheus/rules/*.yml")
_DURATION = re.compile(r"(?<![\w.:])(\d+)(ms|s|m|h|d)\b")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class NotInstalled(Exception):
    """A program is missing; the text says what to install."""


@dataclass(frozen=True, slots=True)
class Observers:
    """Where the two are."""

    prometheus: str
    alertmanager: str
    children: tuple[Child, ...]

    async def watch(self) -> None:
        """Return never, unless one of them ends.

        :raises ChildEnded: one did.
        """
        while True:
            for child in self.children:
                if not child.alive:
                    raise ChildEnded(f"{child.name} ended by itself:\n{child.tail()}")
            await asyncio.sleep(0.2)


def missing() -> list[str]:
    """Which of the programs are not there."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def scaled(text: str, faster: int) -> str:
    """A configuration in which every duration is so many times shorter; what is named after one keeps its name."""
    def shorter(found: re.Match[str]) -> str:
        return f"{max(1, int(found[1]) * _MILLISECONDS[found[2]] // faster)}ms"

    return text if faster == 1 else _DURATION.sub(shorter, text)


def webhooks(base: str) -> dict[str, str]:
    """An address for each responder and severity, under the name the routes know it by: the environment's, else one below ``base``."""
    usual = {
        f"{responder}-{severity}".replace("-", "_").upper(): f"{base}/{responder}/{severity}"
        for responder in RESPONDERS for severity in SEVERITIES
    }
    return {name: os.environ.get(name, address) for name, address in usual.items()}


@contextlib.asynccontextmanager
async def observing(
    directory: Path, services: Mapping[str, str], addresses: Mapping[str, str], *, faster: int = 1,
) -> AsyncIterator[Observers]:
    """Both for the length of the block; ``services`` are watched, ``addresses`` are told, as ``webhooks`` names them.

    :raises NotInstalled: Debian's packages are not there, or the rules are not.
    :raises DidNotStart: one of the two did not start.
    """
    if absent := missing():
        raise NotInstalled(f"not here: {', '.join(absent)}. Install it: apt-get install --no-install-recommends {' '.join(PROGRAMS)}")
    if not DEPLOY.is_dir():
        raise NotInstalled(f"the rules are not at {DEPLOY}: run this from a checkout")
    prometheus, alertmanager = free_port(), free_port()
    _configure(directory, services, addresses, f"127.0.0.1:{alertmanager}", faster)
    children = (_alertmanager(directory, alertmanager), _prometheus(directory, prometheus))
    observers = Observers(f"http://127.0.0.1:{prometheus}", f"http://127.0.0.1:{alertmanager}", children)
    try:
        await asyncio.gather(*(
            _ready(child, address) for child, address in zip(children, (observers.alertmanager, observers.prometheus), strict=True)
        ))
        yield observers
    finally:
        await asyncio.shield(asyncio.gather(*(child.stop() for child in children)))


def _configure(directory: Path, services: Mapping[str, str], addresses: Mapping[str, str], alertmanager: str, faster: int) -> None:
    """A copy of what is shipped, with targets."""
    for source in [each for shipped in _SHIPPED for each in DEPLOY.glob(shipped)]:
        target = directory / source.relative_to(DEPLOY)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(scaled(source.read_text(), faster))
    routes = directory / "alertmanager" / "alertmanager.yml"
    routes.write_text(Template(routes.read_text()).substitute(addresses))
    targets = directory / "prometheus" / "targets"
    targets.mkdir(exist_ok=True)
    watched = [
        {"targets": [address.removeprefix("http://")], "labels": {"job": name.replace("_", "-")}} for name, address in services.items()
    ]
    (targets / "services.json").write_bytes(orjson.dumps(watched))
    (targets / "alertmanagers.json").write_bytes(orjson.dumps([{"targets": [alertmanager]}]))


def _prometheus(directory: Path, port: int) -> Child:
    here = directory / "prometheus"
    return Child("prometheus", [
        "prometheus", f"--config.file={here / 'prometheus.yml'}", f"--storage.tsdb.path={here / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ], here / "prometheus.log")


def _alertmanager(directory: Path, port: int) -> Child:
    here = directory / "alertmanager"
    return Child("alertmanager", [
        "prometheus-alertmanager", f"--config.file={here / 'alertmanager.yml'}", f"--storage.path={here / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn",
    ], here / "alertmanager.log")


async def _ready(child: Child, address: str) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=2) as client:
        async def answers() -> bool:
            try:
                return (await client.get("/-/ready")).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        await child.ready(answers, 30)

