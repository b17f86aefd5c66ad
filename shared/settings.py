"""Settings every service has; read once, at its composition root, from ``APPROVALFLOW_*`` in the environment or in files."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from cryptography.fernet import Fernet
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

from shared.contracts.base import Environment
from shared.identity import Trust


class ServiceSettings(BaseSettings):
    """Where the log and the database are, and how this process shows itself."""

    model_config = SettingsConfigDict(env_prefix="APPROVALFLOW_", frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka: str = "127.0.0.1:9092"
    """Bootstrap servers, comma separated."""
    kafka_idempotent: bool = True
    """Producer idempotence; only a broker that does not know it (the in-memory one) needs it off."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = "PLAINTEXT"
    """With SASL_SSL, a service says who it is; a password never goes over a connection that is not encrypted."""
    kafka_sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca_file: str = ""
    """The certificates that brokers are judged by; empty: those that this machine trusts."""
    partitions: int = Field(default=8, ge=1, le=1024)
    database: SecretStr = SecretStr("postgresql://127.0.0.1:5432/approvalflow")
    """Address with this service's own role."""
    pool_size: int = Field(default=4, ge=1, le=64)
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    log_json: bool = True
    stop_seconds: float = Field(default=10.0, gt=0)
    """How long a stopping process may drain before it gives up."""
    stall_seconds: float = Field(default=30.0, gt=0)
    """How long records may wait for a consumer that does nothing before its process ends, to be started again."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then one file for each setting in ``APPROVALFLOW_SECRETS_DIR``, if that is given.

        :raises FileNotFoundError: there is no such directory.
        """
        given = os.environ.get("APPROVALFLOW_SECRETS_DIR")
        files = SecretsSettingsSource(settings_cls, Path(given).resolve(strict=True)) if given else file_secret_settings
        return init_settings, env_settings, dotenv_settings, files

    @property
    def drain_seconds(self) -> float:
        """The part of ``stop_seconds`` that requests in flight have to end, and after them the batch in hand."""
        return self.stop_seconds * 0.4

    @property
    def leave_seconds(self) -> float:
        """The part of it that one connection to a server has to be closed."""
        return self.stop_seconds * 0.1

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        if not all(":" in server for server in self.kafka.split(",")):
            raise ValueError("kafka: each server needs a port, as in 'broker:9092'")
        named = bool(self.kafka_username), bool(self.kafka_password.get_secret_value())
        if named != (self.kafka_security_protocol == "SASL_SSL",) * 2:
            raise ValueError("kafka_username, kafka_password: SASL_SSL needs both, and nothing else takes either")
        return self


class CallerSettings(ServiceSettings):
    """How the callers of a REST API are verified. A platform without its keys is refused."""

    base_url: str = "http://127.0.0.1:8080"
    """Where callers reach this service: the audience of Connect installs; its path is left out of ``qsh``."""
    forge_app: str = ""
    """The app's ARI, the audience of its tokens."""
    forge_jwks: str = ""
    """Path or address of the key set of Forge."""
    connect_environment: Environment = Environment.PRODUCTION
    """Connect, Data Center and OpenID Connect name no environment; this is theirs."""
    oidc_issuer: str = ""
    """The OpenID Connect provider that people sign in with, as its tokens name it; empty, nobody can."""
    oidc_client_id: str = ""
    """What the provider knows ``console`` as: the audience of ID tokens."""
    oidc_site_claim: str = "site_id"
    oidc_account_claim: str = "sub"
    oidc_roles_claim: str = "roles"
    """The claims of an ID token that name a person's site, account and roles; ``operator`` is the one role there is."""
    encryption_key: SecretStr = SecretStr("")
    """Required. Fernet keys for what is kept secret, comma separated: the first encrypts, all decrypt."""
    token_skew_seconds: float = Field(default=5.0, ge=0, le=5)
    max_body_bytes: int = Field(default=256 * 1024, ge=1024)
    body_seconds: float = Field(default=10.0, gt=0)
    """How long a body may take to arrive."""
    facts_max_age: timedelta = timedelta(hours=24)
    """Directory facts older than this allow nothing; ``decision`` reads the same setting."""

    @model_validator(mode="after")
    def _encrypts(self) -> Self:
        for key in self.encryption_keys():
            Fernet(key)
        return self

    def trust(self) -> Trust:
        """Whose ID tokens count."""
        return Trust(
            self.oidc_issuer, self.oidc_client_id, self.oidc_site_claim, self.oidc_account_claim, self.oidc_roles_claim,
            self.connect_environment,
        )

    def encryption_keys(self) -> list[str]:
        """The Fernet keys, newest first."""
        return [key.strip() for key in self.encryption_key.get_secret_value().split(",")]
