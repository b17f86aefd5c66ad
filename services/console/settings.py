"""Every knob of this service."""

from datetime import timedelta
from typing import Annotated

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from shared.settings import CallerSettings


class Settings(CallerSettings):
    """Whom it answers, and what the operators' page looks at."""

    services: Annotated[dict[str, AnyHttpUrl], NoDecode] = Field(default_factory=dict)
    """Whose readiness is shown: ``name=address``, comma separated."""
    command_url: str = "http://127.0.0.1:8080"
    """Where ``command`` is reached: what visitors ask for goes there."""
    command_seconds: float = Field(default=6.0, gt=0, le=60)
    """How long it may take to answer, the outcome included."""
    oidc_client_secret: SecretStr = SecretStr("")
    """What this service proves itself to the OpenID Connect provider with."""
    oidc_scope: str = "openid profile"
    session_max: timedelta = timedelta(hours=12)
    """How long a browser keeps its cookie; who it speaks of is known only while their ID token lives."""
    page_url: str = ""
    """Where a page is read in Confluence, with ``{site_id}`` and ``{page_id}``; empty, pages are only named."""
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
