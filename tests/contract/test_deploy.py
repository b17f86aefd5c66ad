"""The compose file is valid, and names only what the code has: commands, roles, settings, health checks."""

import importlib.util
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic_settings import BaseSettings
from ruamel.yaml import YAML

from shared.contracts.topics import TOPICS

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SERVICES = ("command", "decision", "audit-fanout", "retention", "console")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
    return loaded["services"]  # type: ignore[no-any-return]


def settings_of(service: str) -> type[BaseSettings]:
    found: type[BaseSettings] = import_module(f"services.{service.replace('-', '_')}.settings").Settings
    return found


def test_it_is_what_the_compose_specification_calls_valid() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(checker, capture_output=True, text=True, check=False)  # noqa: S603 - our own file
    assert done.returncode == 0, done.stdout


def test_all_services_of_the_routing_table_are_in_it() -> None:
    named = {name for topic in TOPICS for name in (*topic.producers, *topic.consumers)}
    assert named <= set(SERVICES) <= set(compose())


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_started_as_its_own_role_with_settings_it_has(service: str) -> None:
    said = compose()[service]
    [module] = said["command"]
    assert module == f"services.{service.replace('-', '_')}"
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    known = {f"APPROVALFLOW_{name.upper()}" for name in settings_of(service).model_fields}
    everyones = {"APPROVALFLOW_KAFKA", "APPROVALFLOW_PARTITIONS", "APPROVALFLOW_HTTP_PORT", "APPROVALFLOW_FACTS_MAX_AGE"}
    assert set(said["environment"]) - everyones <= known
    role = urlsplit(said["environment"]["APPROVALFLOW_DATABASE"]).username
    assert role == f"approvalflow_{service.replace('-', '_')}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_do_little_on_its_host_and_is_health_gated(service: str) -> None:
    said = compose()[service]
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert "/health/ready" in str(said["healthcheck"]["test"])
    assert set(said["depends_on"]) == {"migrate", "topics"}
    assert {d["condition"] for d in said["depends_on"].values()} == {"service_completed_successfully"}
