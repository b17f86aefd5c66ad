"""Every knob of this service."""

from typing import Annotated

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from shared.settings import CallerSettings


class Settings(CallerSettings):
    """Whom it answers, and what the operators' page looks at."""

    services: Annotated[dict[str, AnyHttpUrl], NoDecode] = Field(default_factory=dict)
    """Whose readiness is shown: ``name=address``, comma separated."""
    operator_password: SecretStr = SecretStr("")
    """Opens the operators' page, under any user name; empty, nobody gets in."""
    look_seconds: float = Field(default=2.0, gt=0, le=10)
    """How long the operators' page waits for each thing it shows."""
    watch_seconds: float = Field(default=10.0, gt=0)
    """How far apart the looks are at what its gauges show."""

    @field_validator("services", mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        return dict(part.strip().split("=", 1) for part in given.split(",") if part.strip())
