"""Canonical JSON is that of RFC 8785, whichever library writes it."""

from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from shared import chain

_NAMES = st.text(st.characters(codec="utf-8"), max_size=6)
_SCALARS = (
    st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
)
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12)


@given(_VALUES)
@example({"\ue000": 1, "\U0001f600": 2, "a": '\x7f\x1f"\\/\u2028'})
@example({"b": 1, "a": [(1 << 53) - 1, -(1 << 53) + 1, 0]})
@example([1e21, 1.0, -0.0, 5e-324])
def test_it_is_what_the_reference_writes(value: Any) -> None:
    read = orjson.loads(orjson.dumps(value))
    try:
        expected = rfc8785.dumps(read).decode()
    except rfc8785.CanonicalizationError:
        with pytest.raises(ValueError, match="exceeds safe"):
            chain.canonical(read)
    else:
        assert chain.canonical(read) == expected


def test_what_is_beyond_exact_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="exceeds safe"):
        chain.canonical({"n": 1 << 53})
