"""Every knob of this service."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from shared.contracts.base import SiteId
from shared.settings import CallerSettings


class Settings(CallerSettings):
    """How senders are verified, and how much of what is accepted. A platform without its keys is refused."""

    console_url: str = ""
    """Where ``/v1/commands/{command_id}`` is served; empty for the same origin."""
    connect_install_keys: str = ""
    """Path or address of a key set with the vendor's public install keys."""
    data_center_sites: dict[SiteId, list[SecretStr]] = Field(default_factory=dict)
    """Per site, one secret, or two while one replaces the other."""
    max_past_seconds: float = Field(default=7 * 86_400.0, gt=0)
    max_future_seconds: float = Field(default=300.0, gt=0)
    max_in_flight: int = Field(default=500, ge=1)
    """Requests admitted at once; the next is answered 503."""
    max_waiting: int = Field(default=5_000, ge=0)
    """Callers waiting for an outcome at once; the next is answered 202."""
    max_wait_seconds: float = Field(default=10.0, ge=0, le=60)
    backlog_limit: int = Field(default=1_000_000, ge=1)
    """Records that may wait for ``decision``; beyond, what would add to them is answered 503."""
    database_seconds: float = Field(default=2.0, gt=0)
    """How long the database may take before the request goes on without it, or is answered 503 where it cannot."""
    database_rest_seconds: float = Field(default=1.0, ge=0)
    """How long a database that did not answer is left alone."""
    tenant_seconds: float = Field(default=300.0, ge=0)
    """How long an install once read may be used while the database is away."""
    publish_seconds: float = Field(default=3.0, gt=0)
    repeated_refusals: int = Field(default=20, ge=1)
    """So many refusals of one actor, each within ``repeated_seconds`` of the one before, are told of."""
    repeated_seconds: float = Field(default=60.0, gt=0)
    actor_requests: int = Field(default=2_000, ge=0)
    """Commands that one actor may ask for within ``rate_seconds``, 0 for as many as they like; the next is answered 429."""
    site_requests: int = Field(default=20_000, ge=0)
    """The same of all actors of one site."""
    rate_seconds: int = Field(default=10, ge=1)
    reply_partition: int = Field(default=0, ge=0)
    """The partition of the replies that this process listens on."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        sites = self.data_center_sites.values()
        if not all(1 <= len(secrets) <= 2 and all(s.get_secret_value() for s in secrets) for secrets in sites):
            raise ValueError("data_center_sites: each site needs one secret or two")
        if self.reply_partition >= self.partitions:
            raise ValueError("reply_partition: there is no such partition")
        return self
