"""Secrets come from the environment or from files, and no dump, error or log of a service's settings shows one."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError

from shared.settings import ServiceSettings
from tests.contract.sources import ROOT, SERVICES

SETTINGS: dict[str, type[ServiceSettings]] = {
    name: importlib.import_module(f"services.{name}.settings").Settings for name in SERVICES
}
_NAMED = re.compile(r"password|secret|database|dsn|token|credential|(^|_)keys?(_|$)")
PUBLIC = {"connect_install_keys": "the address of public keys"}
_MARK = "MARKED0SECRET"
_KEY = Fernet.generate_key().decode()


def _within(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _within(part)


def secret(settings: type[ServiceSettings]) -> set[str]:
    """The settings that hold secrets."""
    return {name for name, field in settings.model_fields.items() if SecretStr in _within(field.annotation)}


def marked(settings: type[ServiceSettings]) -> dict[str, str]:
    """Every secret with a mark in it, as the environment would say it, and what else is needed then."""
    special = {
        "database": f"postgresql://approvalflow_test:{_MARK}@127.0.0.1:1/approvalflow", "encryption_key": _KEY,
        "data_center_sites": json.dumps({"site": [_MARK]}),
    }
    return {name: special.get(name, _MARK) for name in secret(settings)} | {
        "kafka": "127.0.0.1:1", "kafka_security_protocol": "SASL_SSL", "kafka_username": "test",
    }


def as_environment(values: dict[str, str]) -> dict[str, str]:
    """Settings as a process is told them."""
    return {f"APPROVALFLOW_{name.upper()}": value for name, value in values.items()}


def shown(text: str) -> list[str]:
    """The secrets that a text shows."""
    return [one for one in (_MARK, _KEY) if one in text]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("APPROVALFLOW_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_called_like_a_secret_is_kept_as_one(service: str) -> None:
    texts = {name for name, field in SETTINGS[service].model_fields.items() if {str, SecretStr} & set(_within(field.annotation))}
    assert {name for name in texts if _NAMED.search(name)} - PUBLIC.keys() <= secret(SETTINGS[service])
    assert secret(SETTINGS[service]) >= {"database", "kafka_password"}


def test_the_secrets_of_the_edge_are_known_as_such() -> None:
    assert secret(SETTINGS["command"]) >= {"encryption_key", "data_center_sites"}
    assert secret(SETTINGS["console"]) >= {"encryption_key", "oidc_client_secret"}


@pytest.mark.parametrize("service", SERVICES)
def test_no_dump_shows_a_secret(service: str) -> None:
    settings = SETTINGS[service].model_validate(json_ready(marked(SETTINGS[service])))
    assert shown(repr([getattr(settings, name) for name in secret(SETTINGS[service])])) == []
    for dumped in (
        repr(settings), str(settings), f"{settings}", repr(settings.model_dump()), settings.model_dump_json(),
        repr(vars(settings)), repr(settings.model_copy(update={"pool_size": 2})), json.dumps(settings.model_dump(mode="json")),
    ):
        assert shown(dumped) == []
    assert _MARK in settings.database.get_secret_value()


def json_ready(values: dict[str, str]) -> dict[str, Any]:
    """Values as a caller of the class gives them, who needs no JSON."""
    return {name: json.loads(value) if name == "data_center_sites" else value for name, value in values.items()}


@pytest.mark.parametrize("service", SERVICES)
def test_an_error_shows_no_secret(service: str) -> None:
    for wrong in ({"pool_size": 0}, {"kafka": "no-port"}, {"kafka_username": ""}, {"database": [_MARK]}):
        with pytest.raises(ValidationError) as caught:
            SETTINGS[service].model_validate(json_ready(marked(SETTINGS[service])) | wrong)
        assert shown(str(caught.value) + repr(caught.value)) == []


@pytest.mark.parametrize("service", SERVICES)
def test_secrets_are_read_from_files_and_the_environment_goes_before(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = marked(SETTINGS[service])
    for name in secret(SETTINGS[service]):
        (tmp_path / f"approvalflow_{name}").write_text(values[name] + "\n")
    monkeypatch.setenv("APPROVALFLOW_SECRETS_DIR", str(tmp_path))
    for name, value in as_environment(values).items():
        if not (tmp_path / name.lower()).exists():
            monkeypatch.setenv(name, value)
    settings = SETTINGS[service]()
    assert settings == SETTINGS[service].model_validate(json_ready(values))
    monkeypatch.setenv("APPROVALFLOW_KAFKA_PASSWORD", "another")
    assert SETTINGS[service]().kafka_password == SecretStr("another")


def test_a_directory_of_secrets_that_is_not_there_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPROVALFLOW_SECRETS_DIR", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError):
        ServiceSettings()


@pytest.mark.parametrize("told", [
    {"kafka_security_protocol": "SASL_SSL"}, {"kafka_security_protocol": "SASL_SSL", "kafka_username": "decision"},
    {"kafka_username": "decision", "kafka_password": "password"}, {"kafka_security_protocol": "SSL", "kafka_password": "password"},
    {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_username": "decision", "kafka_password": "password"},
])
def test_a_password_goes_over_an_encrypted_connection_or_nowhere(told: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ServiceSettings.model_validate(told)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_reaches_nobody_tells_no_secret(service: str) -> None:
    """It ends with an exception, whose traceback Python would show with everything in it."""
    environment = as_environment(marked(SETTINGS[service])) | {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", f"services.{service}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT, timeout=120)  # noqa: S603 - ours
    assert ended.returncode != 0
    assert "exception" in ended.stderr
    assert shown(ended.stdout + ended.stderr) == []
