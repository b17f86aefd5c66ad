"""The source of the services, as the tests about its structure read it."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py") if path.parent.name != "cli")


def files(*packages: str) -> Iterator[Path]:
    """Every module of these packages, relative to the root."""
    for package in packages:
        yield from (path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py")))


def module(path: Path) -> str:
    """The name a file is imported under."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def tree(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse((ROOT / path).read_text(), str(path))


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Every call in a module of something's attribute, with the attribute's name."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, node.func.attr
