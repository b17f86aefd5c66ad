"""Tokens that nobody may get in with, each wrong in one way that has opened some other system."""

import itertools
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OctKey, RSAKey

from tests.doors import Door, document, encoded, mac, signature
from tests.wrong_claims import Named, wrong_claims

ATTACKER = RSAKey.generate_key(2048, {"kid": "attacker"})


def hostile(door: Door) -> dict[str, str]:
    """Every such token for one door, by what is wrong with it."""
    families = (_unsigned, _other_algorithms, _confused, _key_ids, _brought_keys, _critical, _twice, _cut)
    return dict(itertools.chain.from_iterable(family(door) for family in families)) | wrong_claims(door)


def _unsigned(door: Door) -> Named:
    """``alg`` is none, in every spelling, or nothing that could be one."""
    payload, good = document(door.claims), door.token().rsplit(".", 1)[1]
    spellings = ["".join(letters) for letters in itertools.product(*zip("none", "NONE", strict=True))]
    for alg in (*spellings, "none ", " none", "none\x00", "n\u043ene", "", None, 0, True, ["none"], {"none": 1}, ...):
        header = document(door.header | {"alg": alg})
        yield f"alg {alg!r}, no signature", f"{encoded(header)}.{encoded(payload)}."
        yield f"alg {alg!r}, another's signature", f"{encoded(header)}.{encoded(payload)}.{good}"
    right = door.header["alg"]
    for alg in (right.lower(), f"{right} ", f"{right}\x00", [right], None, ...):
        yield f"alg {alg!r}, well signed", door.token({"alg": alg})


def _other_algorithms(door: Door) -> Named:
    """Signed by the right key in a way that is not agreed on, or by keys of other kinds."""
    family = ("HS",) if isinstance(door.key, OctKey) else ("RS", "PS")
    for alg in (kind + size for kind in family for size in ("256", "384", "512")):
        if alg != door.header["alg"]:
            yield f"signed by {alg}", door.sign(document(door.header | {"alg": alg}), document(door.claims), alg)
            yield f"{alg}, said to be {door.header['alg']}", door.sign(document(door.header), document(door.claims), alg)
    for alg, curve in (("ES256", ec.SECP256R1()), ("ES384", ec.SECP384R1()), ("ES256K", ec.SECP256K1())):
        told = f"{encoded(document(door.header | {'alg': alg}))}.{encoded(document(door.claims))}"
        yield alg, f"{told}.{encoded(ec.generate_private_key(curve).sign(told.encode(), ec.ECDSA(hashes.SHA256())))}"
    for alg in ("EdDSA", "Ed25519"):
        told = f"{encoded(document(door.header | {'alg': alg}))}.{encoded(document(door.claims))}"
        yield alg, f"{told}.{encoded(ed25519.Ed25519PrivateKey.generate().sign(told.encode()))}"
    yield "forged", door.sign(document(door.header | {"alg": "RS256"}), document(door.claims), "RS256", ATTACKER)


def _confused(door: Door) -> Named:
    """The public key, which everybody has, as the secret of an HMAC; and secrets that anybody may guess."""
    public = ATTACKER if isinstance(door.key, OctKey) else door.key
    key = public.public_key
    pem, jwk = public.as_pem(private=False), json.dumps(public.as_dict(private=False)).encode()
    secrets = {
        "PEM": pem, "PEM without its end": pem.rstrip(), "PKCS1": key.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "DER": key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "JWK": jwk,
        "modulus": str(public.as_dict(private=False)["n"]).encode(),
        "nothing": b"", "NUL": b"\x00", "the issuer": str(door.claims["iss"]).encode(), "null": b"null",
    }
    for (name, secret), size in itertools.product(secrets.items(), ("256", "384", "512")):
        told = f"{encoded(document(door.header | {'alg': f'HS{size}'}))}.{encoded(document(door.claims))}"
        yield f"HS{size} by {name}", f"{told}.{encoded(mac(told.encode(), size, secret))}"


def _key_ids(door: Door) -> Named:
    """Names of keys that point at files, statements, addresses, or at nothing; signed by whoever chose the name."""
    for kid in (
        "../../../../dev/null", "/dev/null", "/etc/hostname", "file:///dev/null", "' OR '1'='1", "x' UNION SELECT 'secret' --", "$(id)",
        "https://attacker.example/key", "http://169.254.169.254/latest", "attacker", "", " ", "\x00", "k" * 400, "\u202ek1", "__proto__",
        None, 0, True, [], ["attacker"], [door.header.get("kid")], {"kid": "attacker"}, ...,
    ):
        yield f"kid {kid!r}", door.sign(document(door.header | {"kid": kid, "alg": "RS256"}), document(door.claims), "RS256", ATTACKER)
        for secret in (b"", b"\x00"):
            told = f"{encoded(document(door.header | {'kid': kid, 'alg': 'HS256'}))}.{encoded(document(door.claims))}"
            yield f"kid {kid!r}, HMAC by {secret!r}", f"{told}.{encoded(mac(told.encode(), '256', secret))}"
        if not isinstance(door.key, OctKey):
            yield f"kid {kid!r}, well signed", door.token({"kid": kid})


def _brought_keys(door: Door) -> Named:
    """A token that brings the key it is to be verified with."""
    jwk, at = ATTACKER.as_dict(private=False), "https://attacker.example/keys"
    brought: list[dict[str, Any]] = [
        {"jwk": jwk}, {"jwk": {"kty": "oct", "k": ""}}, {"jku": at}, {"x5u": at}, {"x5c": [encoded(ATTACKER.as_der(private=False))]},
        {"x5t": "AAAA"}, {"x5t#S256": "AAAA"}, {"jwk": jwk, "jku": at, "x5u": at}, {"jwks": {"keys": [jwk]}}, {"epk": jwk},
    ]
    for extra in brought:
        for kid in (door.header.get("kid", "k"), "attacker", ...):
            header = document(door.header | {"alg": "RS256", "kid": kid} | extra)
            yield f"{'+'.join(extra)}, kid {kid!r}", door.sign(header, document(door.claims), "RS256", ATTACKER)


def _critical(door: Door) -> Named:
    """Extensions that must be understood or the token refused; well signed."""
    for crit in (["exp"], ["unknown"], [], ["b64", "unknown"], "b64", True, {"b64": 1}, [1], ["alg"]):
        yield f"crit {crit!r}", door.token({"crit": crit, "unknown": 1, "exp": 1})
    payload = document(door.claims)
    for extra in ({"b64": False}, {"b64": False, "crit": ["b64"]}):
        header = document(door.header | extra)
        told = encoded(header).encode() + b"." + payload.replace(b".", b"%2E")
        yield f"unencoded, {extra!r}", f"{told.decode()}.{encoded(signature(told, door.header['alg'], door.key))}"
        yield f"encoded, {extra!r}", door.sign(header, payload)
    yield "compressed", door.token({"zip": "DEF", "crit": ["zip"]})


def _twice(door: Door) -> Named:
    """A member that is there twice, so that two readers may each believe another; well signed."""
    header, payload = document(door.header), document(door.claims)
    for name, value in door.claims.items():
        again = b"{" + document({name: value})[1:-1] + b", " + payload[1:]
        yield f"claim {name} twice", door.sign(header, again)
        other = b"{" + document({name: "other"})[1:-1] + b", " + payload[1:]
        yield f"claim {name} twice, differing", door.sign(header, other)
    for name, value in door.header.items():
        yield f"header {name} twice", door.sign(b"{" + document({name: value})[1:-1] + b", " + header[1:], payload)
        yield f"header {name} twice, differing", door.sign(b"{" + document({name: "none"})[1:-1] + b", " + header[1:], payload)
    escaped = payload[:-1] + b', "\\u0069ss": "other"}'
    yield "claim iss twice, once escaped", door.sign(header, escaped)


def _cut(door: Door) -> Named:
    """Parts cut short, left out, swapped, repeated, or changed after signing."""
    parts = door.token().split(".")
    for place, part in enumerate(parts):
        for name, other in (
            ("without its end", part[:-1]), ("without its start", part[1:]), ("halved", part[: len(part) // 2]), ("empty", ""),
            ("with one more", part + "A"), ("padded", part + "="), ("changed", _changed(part)),
            *((f"with {junk!r}", part[:4] + junk + part[4:]) for junk in (" ", "\n", "!", "\x00", "\u00e9")),
        ):
            yield f"part {place} {name}", ".".join([*parts[:place], other, *parts[place + 1:]])
        yield f"without part {place}", ".".join(parts[:place] + parts[place + 1:])
        yield f"part {place} twice", ".".join([*parts[: place + 1], *parts[place:]])
    yield "backwards", ".".join(reversed(parts))
    yield "claims changed", ".".join([parts[0], encoded(document(door.claims | {"jti": "other"})), parts[2]])
    for name, token in (("nothing", ""), ("dots", ".."), ("many dots", "." * 100), ("words", "let me in"), ("quoted", f'"{door.token()}"')):
        yield name, token
    yield "twice, by a comma", f"{door.token()},{door.token()}"
    yield "a detached payload", f"{parts[0]}..{parts[2]}"
    yield "encrypted", f"{parts[0]}.{parts[1]}.{parts[2]}.{parts[2]}.{parts[2]}"


def _changed(part: str) -> str:
    middle = len(part) // 2
    return part[:middle] + ("A" if part[middle] != "A" else "B") + part[middle + 1:]
