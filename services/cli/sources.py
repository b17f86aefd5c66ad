"""The source of the services as syntax trees, for what is said of them."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def files(*packages: str) -> Iterator[Path]:
    """Every module of these packages, relative to the root."""
    for package in packages:
        yield from (path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py")))


@functools.cache
def tree(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse((ROOT / path).read_text(), str(path))


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Every call in a module of something's attribute, with the attribute's name."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, node.func.attr
