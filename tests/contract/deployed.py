"""What every way of deploying is held against: the services, their settings, and the files that say how they run."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[2]
SERVICES = ("command", "decision", "audit-fanout", "retention", "console")
PREFIX = "APPROVALFLOW_"
USER = 10001
"""Whom the image runs as."""


def module_of(service: str) -> str:
    """The module that runs it."""
    return f"services.{service.replace('-', '_')}"


def role_of(service: str) -> str:
    """Its role in the database."""
    return f"approvalflow_{service.replace('-', '_')}"


def settings_of(service: str) -> type[BaseSettings]:
    """The class of its settings."""
    found: type[BaseSettings] = import_module(f"{module_of(service)}.settings").Settings
    return found


def secrets_of(service: str) -> set[str]:
    """Those of its settings that are secrets, as the environment names them."""
    return {PREFIX + name.upper() for name, field in settings_of(service).model_fields.items() if field.annotation is SecretStr}


def settings_from(service: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> BaseSettings:
    """What the service itself makes of an environment.

    :raises ValidationError: it would not start.
    """
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return settings_of(service)()


def pinned(image: str) -> bool:
    """Whether an image's name says which version it is."""
    return bool(re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)*$", image))
