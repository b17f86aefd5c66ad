"""Every knob of this service."""

from datetime import timedelta
from typing import Self

from cryptography.fernet import Fernet
from pydantic import Field, SecretStr, model_validator

from shared.contracts.base import Environment, SiteId
from shared.settings import ServiceSettings


class CommandSettings(ServiceSettings):
    """How senders are verified, and how much of what is accepted. A platform without its keys is refused."""

    base_url: str = "http://127.0.0.1:8080"
    """Where senders reach this service: the audience of Connect installs; its path is left out of ``qsh``."""
    console_url: str = ""
    """Where ``/v1/commands/{command_id}`` is served; empty for the same origin."""
    forge_app: str = ""
    """The app's ARI, the audience of its tokens."""
    forge_jwks: str = ""
    """Path or address of the key set of Forge."""
    connect_install_keys: str = ""
    """Path or address of a key set with the vendor's public install keys."""
    connect_environment: Environment = Environment.PRODUCTION
    """Connect and Data Center name no environment; this is theirs."""
    encryption_key: SecretStr = SecretStr("")
    """Required. Fernet keys for what is kept secret, comma separated: the first encrypts, all decrypt."""
    data_center_sites: dict[SiteId, list[SecretStr]] = Field(default_factory=dict)
    """Per site, one secret, or two while one replaces the other."""
    token_skew_seconds: float = Field(default=5.0, ge=0, le=5)
    max_body_bytes: int = Field(default=256 * 1024, ge=1024)
    body_seconds: float = Field(default=10.0, gt=0)
    """How long a sender may take over its body."""
    max_past_seconds: float = Field(default=7 * 86_400.0, gt=0)
    max_future_seconds: float = Field(default=300.0, gt=0)
    max_in_flight: int = Field(default=500, ge=1)
    """Requests admitted at once; the next is answered 503."""
    max_waiting: int = Field(default=5_000, ge=0)
    """Callers waiting for an outcome at once; the next is answered 202."""
    max_wait_seconds: float = Field(default=10.0, ge=0, le=60)
    publish_seconds: float = Field(default=3.0, gt=0)
    reply_partition: int = Field(default=0, ge=0)
    """The partition of the replies that this process listens on."""
    facts_max_age: timedelta = timedelta(hours=24)
    """Directory facts older than this allow nothing; ``decision`` reads the same setting."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for key in self.encryption_keys():
            Fernet(key)
        sites = self.data_center_sites.values()
        if not all(1 <= len(secrets) <= 2 and all(s.get_secret_value() for s in secrets) for secrets in sites):
            raise ValueError("data_center_sites: each site needs one secret or two")
        if self.reply_partition >= self.partitions:
            raise ValueError("reply_partition: there is no such partition")
        return self

    def encryption_keys(self) -> list[str]:
        """The Fernet keys, newest first."""
        return [key.strip() for key in self.encryption_key.get_secret_value().split(",")]
