"""How every client of the log connects: where, as whom, and whom it trusts."""

import ssl
from typing import Any

from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLScram256, SASLScram512

from shared.settings import ServiceSettings

_MECHANISMS = {"SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


def security(settings: ServiceSettings) -> BaseSecurity | None:
    """What FastStream is to be told; None where nothing is encrypted and nobody asked who they are.

    :raises OSError: the certificates that brokers are judged by cannot be read.
    """
    if settings.kafka_security_protocol == "PLAINTEXT":
        return None
    trust = ssl.create_default_context(cafile=settings.kafka_ca_file or None)
    if settings.kafka_security_protocol == "SSL":
        return BaseSecurity(ssl_context=trust, use_ssl=True)
    return _MECHANISMS[settings.kafka_sasl_mechanism](
        settings.kafka_username, settings.kafka_password.get_secret_value(), ssl_context=trust, use_ssl=True,
    )


def client(settings: ServiceSettings, name: str) -> dict[str, Any]:
    """The arguments of any aiokafka client, which the broker's log will know as ``approvalflow-<name>``.

    :raises OSError: the certificates that brokers are judged by cannot be read.
    """
    return {
        "bootstrap_servers": settings.kafka, "client_id": f"approvalflow-{name}", **parse_security(security(settings)),
    }
