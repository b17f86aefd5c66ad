"""The policy page: every line of the policy, with the code that makes it true and a test that fails if it stops being so."""

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from release.check import ROOT, Verdict

PAGE = ROOT / "docs" / "policy.md"
DIGEST = "cedb3dd1bcbeefad6ebc99abf86ab2f6c3550acd6a60f71ca4d26150c865f49a"
"""Of the policy's lines, each without the blanks around it, joined by line breaks (SHA-256)."""
FIELDS = ("here", "code", "tests", "evidence")
_NOTHING = "## Lines that promise nothing"
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)(?:#[^)]*)?\)")


@dataclass(frozen=True, slots=True)
class Claim:
    """A line of the policy, and the fields that are said of it."""

    line: str
    fields: dict[str, str]

    def links(self, field: str) -> list[tuple[str, str]]:
        """What a field points to: text and target."""
        return _LINK.findall(self.fields.get(field, ""))


def lines(text: str) -> list[str]:
    """Every line of the policy that the page quotes, in order."""
    return re.findall(r"^> (.+)$", text, re.MULTILINE)


def claims(text: str) -> list[Claim]:
    """The lines that promise something."""
    blocks = re.split(r"^> ", text.partition(_NOTHING)[0], flags=re.MULTILINE)[1:]
    return [Claim(block.partition("\n")[0], dict(re.findall(r"^\| (\w+) \| (.+) \|$", block, re.MULTILINE))) for block in blocks]


def problems(text: str, page: Path = PAGE) -> Iterator[str]:
    """What is missing from the page, or leads nowhere."""
    if hashlib.sha256("\n".join(lines(text)).encode()).hexdigest() != DIGEST:
        yield "the lines are not the policy's, word for word and in its order"
    for claim in claims(text):
        yield from (f"{claim.line}: {why}" for why in _lacking(claim, page.parent))
    for name, target in _LINK.findall(text):
        if not target.startswith(("https://", "mailto:")) and not (page.parent / target).exists():
            yield f"{name} leads nowhere: {target}"


def _lacking(claim: Claim, base: Path) -> Iterator[str]:
    yield from (f"does not say {field}" for field in FIELDS if not claim.fields.get(field, "").strip())
    yield from (f"has no link to {field}" for field in ("code", "tests") if not claim.links(field))
    for name, target in claim.links("tests"):
        if (base / target).is_file() and not asserts(base / target, name):
            yield f"{target} has no test {name} that asserts anything"


def asserts(path: Path, name: str) -> bool:
    """Whether a module has a function of this name that can fail by its own assertion."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return any(isinstance(part, ast.Assert) or _raises(part) for part in ast.walk(node))
    return False


def _raises(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "raises" and isinstance(node.value, ast.Name) and node.value.id == "pytest"


def check() -> Verdict:
    """The page as it is kept."""
    text = PAGE.read_text()
    return Verdict(f"{len(claims(text))} claims in {PAGE.relative_to(ROOT)}", list(problems(text)))
