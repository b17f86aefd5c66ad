"""Words that are in nothing else, and where they are found, however they are written down."""

import base64
from collections.abc import Iterator
from secrets import token_hex

KINDS = (
    "title", "comment", "name", "mail", "hook", "workflow", "query", "header", "field", "value", "id", "token", "secret",
    "poison", "key",
)
"""What a word stands for: a page's title, a comment, a person's name and address, what else a webhook holds, the names of a
workflow and its steps; of requests the query, headers, unknown fields, values of a wrong type, refused ids, tokens and
signatures; our own secrets; and of records that nobody can read what they hold, and their keys."""


class Marks:
    """One word for each kind, and others that are of a kind."""

    def __init__(self) -> None:
        self._words = {kind: f"zq{kind}{token_hex(6)}" for kind in KINDS}
        self._written: dict[bytes, str] = {}
        for kind, word in self._words.items():
            self.note(kind, word)

    def __getitem__(self, kind: str) -> str:
        """The word."""
        return self._words[kind]

    def note(self, kind: str, word: str) -> None:
        """Look for this too."""
        self._written |= dict.fromkeys(written(word), kind)

    def found(self, text: bytes) -> set[str]:
        """The kinds of which something is in this text."""
        lower = text.lower()
        return {kind for form, kind in self._written.items() if form in text or form in lower}


def written(word: str) -> Iterator[bytes]:
    """How a word may look: as it is in lower case, in hex, in base64 wherever it begins in what is encoded."""
    plain = word.encode()
    yield plain.lower()
    yield plain.hex().encode()
    for lead, first in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(bytes(lead) + plain)[first : (lead + len(plain)) * 8 // 6]
        yield whole
        yield whole.translate(bytes.maketrans(b"+/", b"-_"))
