"""Which labels an instrument is recorded with, from the source that records it."""

import ast
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.cli.sources import files, tree


def recorded(variable: str, *packages: str) -> set[str]:
    """The names of all labels recorded in these packages with the instrument that ``variable`` holds.

    They are in dicts written where it is recorded, in a variable or in a method beside it.
    """
    return {label for path in files(*packages) for held, labels in _recorded(path) if held == variable.lower() for label in labels}


@functools.cache
def _recorded(path: Path) -> list[tuple[str, set[str]]]:
    """For all that a module records, the variable's name and the labels: ``stalls`` of ``self._stalls``, which it was given as."""
    return [
        (ast.unparse(held).rpartition(".")[2].lstrip("_").lower(), {name for argument in given for name in _keys(argument, path)})
        for node in ast.walk(tree(path)) for held, given in _records(node)
    ]


def _records(node: ast.AST) -> Iterator[tuple[ast.expr, Sequence[ast.expr]]]:
    """What a node records with: an instrument, and where the labels are."""
    match node:
        case ast.Call(func=ast.Attribute(value=held, attr="add" | "record" | "set"), args=[_, *given]):
            yield held, given
        case ast.Call(func=ast.Attribute(value=held, attr="show" | "shows"), args=given):
            yield held, given
        case ast.Call(func=ast.Name(id="timed") | ast.Attribute(attr="timed"), args=[held, *given]):
            yield held, given
        case ast.Tuple(elts=[held, ast.Lambda() as source]):
            yield held, [source]


def _keys(node: ast.AST, path: Path) -> Iterator[str]:
    match node:
        case ast.Dict(keys=keys):
            yield from (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
        case ast.Name(id=name):
            for value in _assigned(name, path):
                yield from _keys(value, path)
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            for method in ast.walk(tree(path)):
                if isinstance(method, ast.FunctionDef) and method.name == name:
                    yield from _within(method, path)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _keys(left, path)
            yield from _keys(right, path)
        case _:
            yield from _within(node, path)


def _within(node: ast.AST, path: Path) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Name):
            yield from _keys(child, path)


def _assigned(name: str, path: Path) -> Iterator[ast.expr]:
    """Whatever a module assigns to a name, by itself or beside others."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                yield value
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                yield from (value for target, value in zip(targets, values, strict=False) if ast.unparse(target) == name)
