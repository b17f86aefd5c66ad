"""What outside bytes reach, each with the one way it may refuse them; any other error is a finding."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from joserfc.jwk import RSAKey

from services.command.domain import read_object
from services.command.ingress import preferred_wait, read
from services.command.requests import ENDPOINTS
from services.command.translate_forge import translate
from services.command.translate_hooks import translate_connect, translate_data_center
from services.console.cursors import Cursors
from services.rules.state import page_of
from shared import tokens
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.envelope import Unreadable, parse
from shared.contracts.topics import EVENTS, INTAKE, REPLIES
from shared.identity import Trust, verify_identity
from shared.problems import Refusal
from shared.signatures import Unauthenticated, query_hash, verify_hub_signature
from tests.doors import encoded, mac, signature

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
CALLER = Caller(channel=Channel.FORGE, environment=Environment.PRODUCTION, licence=Licence.UNKNOWN, app=True)
SECRET = "a-secret-of-some-length-0123456789"
CURSORS = Cursors(MultiFernet([Fernet(Fernet.generate_key())]))
TRUST = Trust("https://id.example", "console", "site_id", "sub", "roles", Environment.PRODUCTION)
_TENANT, _VENDOR = b'{"alg":"HS256"}', b'{"alg":"RS256","kid":"k1"}'
KEY = RSAKey.generate_key(2048, {"kid": "k1"})


def text(data: bytes) -> str:
    """As a server decodes a header."""
    return data.decode("latin-1")


def forge_hook(data: bytes) -> object:
    """The body of a Forge event."""
    return translate(read_object(data), "site-one", CALLER, NOW)


def connect_hook(data: bytes) -> object:
    """The body of a Connect event, and its name from the address."""
    event, _, body = data.partition(b"\n")
    return translate_connect(text(event), read_object(body), "site-one", CALLER, NOW)


def data_center_hook(data: bytes) -> object:
    """The body of a Data Center event."""
    return translate_data_center(read_object(data), "site-one", CALLER, NOW)


def token(data: bytes) -> object:
    """A token, as it came."""
    return tokens.verify_forge(text(data), {}, "ari:app", NOW)


def connect_claims(data: bytes) -> object:
    """Claims that a tenant signed, whatever else they are."""
    told = f"{encoded(_TENANT)}.{encoded(data)}"
    whole = f"{told}.{encoded(mac(told.encode(), '256', SECRET.encode()))}"
    return tokens.verify_connect(whole, SECRET, client_key="client-1", site_id="s", method="POST", path="/", query="", now=NOW)


def vendor_claims(data: bytes) -> None:
    """Claims that the vendor or a provider signed."""
    told = f"{encoded(_VENDOR)}.{encoded(data)}"
    whole = f"{told}.{encoded(signature(told.encode(), 'RS256', KEY))}"
    with contextlib.suppress(Unauthenticated):
        tokens.verify_forge(whole, {"k1": KEY}, "ari:app", NOW)
    verify_identity(whole, {"k1": KEY}, TRUST, NOW)


def record(data: bytes) -> object:
    """A record of the log: its headers, a line each, then its value."""
    head, _, value = data.partition(b"\n\n")
    pairs = [line.partition(b"=") for line in head.split(b"\n")]
    headers = tuple((text(name), said) for name, _, said in pairs)
    for topic in (INTAKE, EVENTS):
        try:
            parse(topic, value, headers)
        except Unreadable:
            continue
    return parse(REPLIES, value, headers)


def query(data: bytes) -> object:
    """A request's path and query, as they are hashed."""
    path, _, rest = text(data).partition("?")
    return query_hash("POST", path, rest)


def hub_signature(data: bytes) -> None:
    """The header of a Data Center event."""
    verify_hub_signature([SECRET], b"body", text(data))


def cursor(data: bytes) -> object:
    """Where a listing is to go on."""
    return CURSORS.place(("decisions", "site-one"), text(data))


def command(data: bytes) -> object:
    """The body of a command, of a kind that the first byte chooses."""
    return read(ENDPOINTS[data[0] % len(ENDPOINTS)].body, data[1:])


def small(data: bytes) -> object:
    """What is read by hand out of headers and paths."""
    preferred_wait([text(data)])
    return page_of(text(data))


Target = Callable[[bytes], object]
TARGETS: dict[Target, tuple[type[Exception], ...]] = {
    forge_hook: (Refusal,), connect_hook: (Refusal,), data_center_hook: (Refusal,), token: (Unauthenticated,),
    connect_claims: (Unauthenticated,), vendor_claims: (Unauthenticated,), record: (Unreadable,), query: (Unauthenticated,),
    hub_signature: (Unauthenticated,), cursor: (Refusal,), command: (Refusal,), small: (ValueError,),
}
_ORDERED: list[tuple[Target, Any]] = list(TARGETS.items())


def one(data: bytes) -> None:
    """Hand bytes to the target that the first of them chooses."""
    if len(data) < 2:
        return
    target, refusals = _ORDERED[data[0] % len(_ORDERED)]
    with contextlib.suppress(*refusals):
        target(data[1:])
