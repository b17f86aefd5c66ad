"""Keys and secrets of the local mode: made once, and kept in files that are for their owner alone."""

import os
import secrets
import uuid
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import orjson
from cryptography.fernet import Fernet
from joserfc.jwk import KeySet, KeySetSerialization, RSAKey


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What the local mode knows and keeps to itself."""

    app: str
    client_key: str
    connect_secret: str
    data_center_sites: dict[str, str]
    encryption_key: str
    sign_in_password: str
    oidc_client_secret: str

    @classmethod
    def load_or_create(cls, path: Path, data_center_sites: tuple[str, ...]) -> Self:
        """What the file holds; what it lacks is made and added."""
        held: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {}
        made = cls(
            app=f"ari:cloud:ecosystem::app/{uuid.uuid4()}",
            client_key=str(uuid.uuid4()),
            connect_secret=secrets.token_urlsafe(48),
            data_center_sites={site: secrets.token_urlsafe(32) for site in data_center_sites},
            encryption_key=Fernet.generate_key().decode(),
            sign_in_password=secrets.token_urlsafe(18),
            oidc_client_secret=secrets.token_urlsafe(32),
        )
        kept = {field.name: held.get(field.name, getattr(made, field.name)) for field in fields(cls)}
        if kept != held:
            _write(path, kept)
        return cls(**kept)


def signing_key(directory: Path, name: str) -> RSAKey:
    """The key of this name; beside it is its public half, as a key set in ``name.jwks``."""
    path = directory / f"{name}.json"
    if not path.exists():
        made = RSAKey.generate_key(2048, {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"})
        _write(path, made.as_dict(private=True))
    key = RSAKey.import_key(orjson.loads(path.read_bytes()))
    _write(directory / f"{name}.jwks", public(key))
    return key


def public(key: RSAKey) -> KeySetSerialization:
    """The public half, as a key set."""
    return KeySet([key]).as_dict(private=False)


def _write(path: Path, content: object) -> None:
    """Whole or not at all, so that a killed start leaves nothing half-written."""
    part = path.with_suffix(f".{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content))
    part.replace(path)
