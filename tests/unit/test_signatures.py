"""A body signed by a secret that its site has."""


import pytest

from shared.tokens import (
    Unauthenticated,
    hub_signature,
    verify_hub_signature,
)


def test_a_hub_signature_by_either_live_secret_is_good() -> None:
    for secret in ("old", "new"):
        verify_hub_signature(["old", "new"], b"body", hub_signature(secret, b"body"))


@pytest.mark.parametrize(
    ("secrets", "header"),
    [
        (["old"], hub_signature("new", b"body")),
        (["old"], hub_signature("old", b"other")),
        ([], hub_signature("", b"body")),
        ([""], hub_signature("", b"body")),
        (["old"], ""),
        (["old"], "sha1=00"),
        (["old"], "\u20ac"),
    ],
)
def test_any_other_hub_signature_is_refused(secrets: list[str], header: str) -> None:
    with pytest.raises(Unauthenticated):
        verify_hub_signature(secrets, b"body", header)
