"""Nothing is logged but fixed sentences with declared keys, and there is one way to do it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.logs import KEYS
from tests.contract.sources import calls, files, tree

LEVELS = {"debug", "info", "warning", "warn", "error", "critical", "fatal", "exception", "log", "msg"}
MADE = "structlog.get_logger()"
NAMED = {"log"}
"""What a logger may be called where it is kept."""
ALLOWED = KEYS | {"exc_info"}
BINDERS = {"bind", "new", "try_unbind", "bind_contextvars", "bound_contextvars"}
CONFIGURES = Path("shared/logs.py")


def faults(source: ast.Module) -> Iterator[str]:
    """What is wrong with how a module logs, with the line."""
    for node in ast.walk(source):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from (f"{node.lineno}: {what}" for what in _call(node, node.func))


def _call(call: ast.Call, function: ast.Attribute) -> Iterator[str]:
    receiver = ast.unparse(function.value)
    if function.attr in BINDERS and ("log" in receiver or "contextvars" in receiver):
        yield "a key bound out of sight"
    if function.attr in LEVELS and (receiver == MADE or receiver in NAMED):
        yield from _said(call)
    elif function.attr in LEVELS and "log" in receiver.lower():
        yield "a logger under another name"


def _said(call: ast.Call) -> Iterator[str]:
    if [type(arg) for arg in call.args] != [ast.Constant] or not isinstance(getattr(call.args[0], "value", None), str):
        yield "the sentence is not fixed; what varies goes under a key"
    for keyword in call.keywords:
        if keyword.arg not in ALLOWED:
            yield f"{keyword.arg} is not declared"


def test_every_log_call_says_a_fixed_sentence_with_declared_keys() -> None:
    assert [f"{path}:{fault}" for path in files("services", "shared") for fault in faults(tree(path))] == []


def test_there_are_log_calls_to_look_at() -> None:
    said = [call for path in files("services", "shared") for call, name in calls(path)
            if name in LEVELS and ast.unparse(call.func).rpartition(".")[0] in {MADE, *NAMED}]
    assert len(said) > 20


@pytest.mark.parametrize("written", [
    'log.info("said", title=title)',
    'log.info(f"said {title}")',
    'log.info("said %s", title)',
    'log.info("said " + title)',
    'log.info("said", **{"title": title})',
    "log.info(title)",
    "log.info()",
    'structlog.get_logger().warning("said", comment=1)',
    'structlog.get_logger("x").warning("said")',
    'self._log.info("said")',
    'logger.info("said")',
    'logging.info("said")',
    'logging.getLogger("x").error("said")',
    'log.bind(title=title).info("said")',
    "structlog.contextvars.bind_contextvars(title=title)",
])
def test_any_other_way_to_log_is_found(written: str) -> None:
    assert list(faults(ast.parse(written)))


@pytest.mark.parametrize("written", [
    'log.info("said", site_id=site, count=2)',
    'structlog.get_logger().exception("said")',
    'log.critical("said", exc_info=(kind, error, raised))',
    "math.log(2)",
    'logging.getLogger("x").setLevel(30)',
])
def test_what_is_as_it_should_be_is_not(written: str) -> None:
    assert list(faults(ast.parse(written))) == []


@pytest.mark.parametrize("bypass", ["stderr", "stdout", "lastResort", "basicConfig", "StreamHandler"])
def test_nothing_goes_past_the_chain(bypass: str) -> None:
    found = [str(path) for path in files("services", "shared") if path != CONFIGURES and path.parts[1] not in {"cli", "local"}
             for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr == bypass]
    assert found == []
