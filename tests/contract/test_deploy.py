"""The compose file is valid, and names only what the code has: commands, roles, settings, health checks; it confines all it runs."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet
from opentelemetry.sdk import environment_variables
from ruamel.yaml import YAML

from services.local.observe import webhooks
from shared.contracts.topics import TOPICS
from tests.contract.deployed import PREFIX, ROOT, SERVICES, USER, module_of, pinned, role_of, settings_from, settings_of
from tests.e2e.prometheus import needed

COMPOSE = ROOT / "docker-compose.yml"
OPENTELEMETRY = {value for name, value in vars(environment_variables).items() if name.startswith("OTEL_")}


def loaded(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(path)
    return content


CONTAINERS: dict[str, Any] = loaded(COMPOSE)["services"]


def test_it_is_what_the_compose_specification_calls_valid() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(checker, capture_output=True, text=True, check=False)  # noqa: S603 - our own file
    assert done.returncode == 0, done.stdout


def test_all_services_of_the_routing_table_are_in_it() -> None:
    named = {name for topic in TOPICS for name in (*topic.producers, *topic.consumers)}
    assert named <= set(SERVICES) <= set(CONTAINERS)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_started_as_its_own_role_with_settings_it_has(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = CONTAINERS[service]
    [module] = said["command"]
    assert module == module_of(service)
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    known = {PREFIX + name.upper() for name in settings_of(service).model_fields} | OPENTELEMETRY | {"APPROVALFLOW_FACTS_MAX_AGE"}
    assert set(said["environment"]) <= known
    assert urlsplit(said["environment"]["APPROVALFLOW_DATABASE"]).username == role_of(service)
    given = {name: value for name, value in said["environment"].items() if value is not None}
    if "APPROVALFLOW_ENCRYPTION_KEY" in given:
        given["APPROVALFLOW_ENCRYPTION_KEY"] = Fernet.generate_key().decode()
    settings = settings_from(service, given, monkeypatch)
    assert f":{settings.http_port}/health/ready" in str(said["healthcheck"]["test"])  # type: ignore[attr-defined]
    assert int(said["stop_grace_period"].removesuffix("s")) > settings.stop_seconds  # type: ignore[attr-defined]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_health_gated(service: str) -> None:
    said = CONTAINERS[service]
    assert set(said["depends_on"]) == {"migrate", "topics"}
    assert {d["condition"] for d in said["depends_on"].values()} == {"service_completed_successfully"}
    for once, server in (("migrate", "postgres"), ("topics", "kafka")):
        assert CONTAINERS[once]["restart"] == "no"
        assert CONTAINERS[once]["depends_on"] == {server: {"condition": "service_healthy"}}
        assert CONTAINERS[server]["healthcheck"]["test"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_may_do_little_on_its_host(name: str) -> None:
    said = CONTAINERS[name]
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"] and "cap_add" not in said and "privileged" not in said
    assert said["security_opt"] == ["no-new-privileges:true"]  # so seccomp and AppArmor stay as Docker has them
    assert str(said["user"]).split(":")[0] not in ("", "0", "root")
    assert said["pids_limit"] <= 1024 and said["mem_limit"]
    assert all(port.startswith("127.0.0.1:") for port in said.get("ports", []))
    assert not any(volume.startswith("/") for volume in said.get("volumes", []))


def test_the_image_runs_as_whom_compose_says() -> None:
    assert {str(CONTAINERS[service]["user"]) for service in (*SERVICES, "migrate", "topics")} == {f"{USER}:{USER}"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_an_image_has_a_version(name: str) -> None:
    assert pinned(CONTAINERS[name]["image"]) or CONTAINERS[name]["build"]


def test_what_needs_nobody_outside_reaches_nobody_outside() -> None:
    networks = loaded(COMPOSE)["networks"]
    outside = {name for name, network in networks.items() if not network.get("internal")}
    reaching = {name for name, said in CONTAINERS.items() if outside & set(said["networks"])}
    assert reaching == {"command", "console", "alertmanager", "traces", "grafana"}
    assert set(CONTAINERS["kafka"]["networks"]) == {"log"} and set(CONTAINERS["postgres"]["networks"]) == {"database"}


def test_secrets_are_asked_for_and_not_written_down() -> None:
    for service in SERVICES:
        for name, value in CONTAINERS[service]["environment"].items():
            assert ("SECRET" not in name and "KEY" not in name) or value.startswith(f"${{{name}:?"), name


def test_prometheus_and_the_collector_reach_what_compose_starts() -> None:
    targets = [target for path in (ROOT / "deploy" / "compose").glob("*.json") for each in json.loads(path.read_text())
               for target in each["targets"]]
    assert {target.split(":")[0] for target in targets} == {*SERVICES, "alertmanager"}
    collector = loaded(ROOT / "deploy" / "otel" / "collector.yml")
    assert collector["exporters"]["otlphttp"]["endpoint"] == "${env:TRACES}"
    assert urlsplit(CONTAINERS["collector"]["environment"]["TRACES"]).hostname in CONTAINERS
    pipeline = collector["service"]["pipelines"]["traces"]
    assert set(pipeline["receivers"]) <= set(collector["receivers"]) and set(pipeline["exporters"]) <= set(collector["exporters"])
    assert pipeline["processors"] == list(collector["processors"])


def start(name: str, given: dict[str, str], *instead: tuple[str, str]) -> int:
    """Run a container's start here, with parts of it replaced; how it ended."""
    [script] = CONTAINERS[name]["command"]
    for old, new in (("$$", "$"), *instead):
        assert old in script
        script = script.replace(old, new)
    begun = [*CONTAINERS[name]["entrypoint"], script]
    return subprocess.run(begun, env={"PATH": os.environ["PATH"], **given}, capture_output=True, check=False).returncode  # noqa: S603


def test_alertmanager_starts_with_whom_to_tell_and_not_without(tmp_path: Path) -> None:
    needed()
    addresses, written = webhooks("http://oncall.example"), tmp_path / "alertmanager.yml"
    here = (
        ("exec alertmanager", f"exec amtool check-config {written} #"), ("/tmp/alertmanager.yml", str(written)),  # noqa: S108 - the container's
        ("/etc/alertmanager/routes.yml", str(ROOT / "deploy" / "alertmanager" / "alertmanager.yml")),
    )
    assert set(CONTAINERS["alertmanager"]["environment"]) == set(addresses)
    assert start("alertmanager", addresses, *here) == 0
    assert {hook["url"] for one in loaded(written)["receivers"] for hook in one["webhook_configs"]} == set(addresses.values())
    for name in addresses:
        assert start("alertmanager", {other: url for other, url in addresses.items() if other != name}, *here) != 0


def test_grafana_starts_with_a_password_and_not_without() -> None:
    here = ("exec /run.sh", "exit 0")
    assert start("grafana", {"GF_SECURITY_ADMIN_PASSWORD": "chosen"}, here) == 0
    assert start("grafana", {"GF_SECURITY_ADMIN_PASSWORD": ""}, here) != 0
    assert start("grafana", {}, here) != 0
