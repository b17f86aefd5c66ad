"""The search for words that leaked finds them: a leak planted in each form is seen, and nothing where there is none."""

import base64
import json
from secrets import token_bytes
from urllib.parse import quote

import pytest

from tests.e2e.marks import KINDS, Marks

MARKS = Marks()


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_leak_is_found(kind: str) -> None:
    word = MARKS[kind]
    leaks = [
        word.encode(), word.upper().encode(), f"http://{word}.example/?a={quote(word)}".encode(), json.dumps({"a": [word]}).encode(),
        f"\\x{word.encode().hex()}".encode(), word.encode().hex().upper().encode(),
    ]
    leaks += [encode(token_bytes(lead) + word.encode() + token_bytes(7)) for lead in range(5)
              for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    for leak in leaks:
        assert MARKS.found(b"before " + leak + b" after") == {kind}


def test_a_word_noted_later_is_found_as_what_it_is() -> None:
    marks = Marks()
    assert marks.found(b"eyJ.abc.Sig-nature_1") == set()
    marks.note("token", "Sig-nature_1")
    assert marks.found(b"eyJ.abc.Sig-nature_1") == {"token"}


def test_where_there_is_none_none_is_found() -> None:
    nearly = b" ".join(MARKS[kind].encode()[:-1] for kind in KINDS)
    assert MARKS.found(nearly + base64.b64encode(token_bytes(10_000)) + token_bytes(10_000).hex().encode()) == set()
    assert Marks().found(MARKS["title"].encode()) == set()
