"""The policy page: every line of the policy, with the code that makes it true and a test that fails if it stops being so."""

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from release.check import ROOT, Verdict

PAGE = ROOT / "docs" / "policy.md"
DIGEST = "cedb3dd1bcbeefad6ebc99abf86ab2f6c3550acd6a60f71ca4d26150c865f49a"
"""Of the policy's lines, each without the blanks around it, joined by line breaks (SHA-256)."""
FIELDS = ("here", "code", "tests", "evidence")
PROMISE_NOTHING = {
    "Skip to content", "ApprovalFlow Security Policy", "Applies to appApprovalFlow for Confluence", "StatusBaseline policy",
    "This app-specific policy is read together with the shared Flowdence baseline:",
}
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
    blocks = re.split(r"^> ", text, flags=re.MULTILINE)[1:]
    made = [Claim(block.partition("\n")[0], dict(re.findall(r"^\| (\w+) \| (.+) \|$", block, re.MULTILINE))) for block in blocks]
    return [claim for claim in made if claim.line not in PROMISE_NOTHING]


def problems(text: str, page: Path = PAGE) -> Iterator[str]:
    """What is missing from the page, or leads nowhere."""
    if hashlib.sha256("\n".join(lines(text)).encode()).hexdigest() != DIGEST:
        yield "the lines are not the policy's, word for word and in its order"
    for claim in claims(text):
        yield from (f"{claim.line}: says no {field}" for field in FIELDS if not claim.fields.get(field, "").strip())
        if not claim.links("code"):
            yield f"{claim.line}: has no link to code"
        if not any(name.startswith("test_") for name, _ in claim.links("tests")):
            yield f"{claim.line}: has no link to a test"
    yield from astray(text, page.parent)


def astray(text: str, base: Path) -> Iterator[str]:
    """Links to what is not there, and to tests that are not or that assert nothing."""
    for name, target in _LINK.findall(text):
        if target.startswith(("https://", "mailto:")):
            continue
        if not (base / target).exists():
            yield f"{name} leads nowhere: {target}"
        elif name.startswith("test_") and not name.endswith(".py") and not asserts(base / target, name):
            yield f"{target} has no test {name} that asserts anything"


def asserts(path: Path, name: str) -> bool:
    """Whether a module has a function of this name that can fail by an assertion: its own, or one that it calls beside it."""
    made = _functions(path.resolve())
    if name not in made:
        return False
    called = {node.func.id for node in ast.walk(made[name]) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return any(_asserting(part) for each in {name, *called & set(made)} for part in ast.walk(made[each]))


@cache
def _functions(path: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    return {node.name: node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def _asserting(node: ast.AST) -> bool:
    """A plain assertion, one that something raises, or one about a page in a browser."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("pytest.raises", "expect")
    return isinstance(node, ast.Assert)


def check() -> Verdict:
    """The page as it is kept."""
    text = PAGE.read_text()
    return Verdict(f"{len(claims(text))} claims in {PAGE.relative_to(ROOT)}", list(problems(text)))
