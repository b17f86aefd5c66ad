"""The shape of the tree: what is said of it is so, and nothing is there that nobody uses."""

import ast
import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import services
from shared.contracts.commands import SiteCommand
from shared.contracts.events import Event
from shared.contracts.facts import Fact
from shared.contracts.reasons import DESCRIPTION, Reason
from shared.contracts.replies import Outcome
from shared.contracts.topics import TOPICS, Topic
from tests.contract.sources import ROOT, SERVICES, calls, files, module, tree

EVERYWHERE = ("services", "shared")
SOURCES = list(files(*EVERYWHERE))
MAKERS = {"create_counter", "create_histogram", "create_up_down_counter", "create_gauge", "Gauge"}
"""``Gauge`` stands for whatever is looked up only when metrics are read."""
EVERY_SERVICE = {"__init__.py", "__main__.py", "settings.py", "wiring.py", "metrics.py"}
CATCH_ALL = {"utils", "util", "helpers", "common", "misc", "base", "core", "manager"}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_who_writes_and_reads_a_topic_exists(topic: Topic) -> None:
    named = {name.replace("-", "_") for name in (*topic.producers, *topic.consumers)}
    assert topic.producers and topic.consumers
    assert named <= set(SERVICES)


def test_who_writes_a_topic_is_who_the_table_says() -> None:
    """Whoever publishes to a topic or reads it imports it; the console does too, but only looks how far others are."""
    for topic in TOPICS:
        constant = topic.name.split(".")[1].upper()
        users = {
            path.parts[1] for path in SOURCES for node in ast.walk(tree(path))
            if isinstance(node, ast.ImportFrom) and node.module == "shared.contracts.topics"
            and constant in {alias.name for alias in node.names} and path.parts[1] in SERVICES
        }
        assert users - {"console"} == {name.replace("-", "_") for name in (*topic.producers, *topic.consumers)}, topic.name


def leaves(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    children = [child for child in model.__subclasses__() if child.__module__.startswith("shared.contracts.")]
    if not children:
        yield model
    for child in children:
        yield from leaves(child)


def test_every_message_is_routed_once() -> None:
    routed = Counter(route.model for topic in TOPICS for route in topic.routes.values())
    assert routed == Counter(leaf for root in (SiteCommand, Event, Fact, Outcome) for leaf in leaves(root))
    assert len({name for topic in TOPICS for name in topic.routes}) == routed.total()


def test_the_flow_names_every_package() -> None:
    packages = {path.parent.name for path in (ROOT / "services").glob("*/__init__.py")}
    told = {line.split()[0] for line in (services.__doc__ or "").splitlines()[2:] if line.strip()}
    assert told <= packages
    assert set(SERVICES) <= told


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_laid_out_like_the_others(service: str) -> None:
    here = ROOT / "services" / service
    assert {path.name for path in here.glob("*.py")} >= EVERY_SERVICE
    assert (here / "store.py").exists() or (here / "store").is_dir()
    assert not CATCH_ALL & {path.stem for path in here.rglob("*.py")}
    assert (importlib.import_module(f"services.{service}").__doc__ or "").count(".") > 1, "say what it promises and owns"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_be_started(service: str) -> None:
    main = importlib.import_module(f"services.{service}.__main__")
    assert callable(main.build)
    assert callable(main.run)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_module_that_it_or_the_command_line_does_not_use(service: str) -> None:
    mine = {module(path): path for path in files(f"services/{service}")}
    starts = [mine[f"services.{service}.__main__"], *files("services/cli")]
    reached, waiting = set[str](), [name for start in starts for name in imported(start)]
    while waiting:
        name = waiting.pop()
        if name in mine and name not in reached:
            reached.add(name)
            waiting += imported(mine[name])
    left = {name for name, path in mine.items() if path.stem not in {"__init__", "__main__"}}
    assert left - reached == set()


def imported(path: Path) -> set[str]:
    """Whatever an import may name: a module, or something in one."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def made() -> Iterator[tuple[Path, ast.Call]]:
    """Every instrument, where it is made."""
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in MAKERS:
                yield path, node


def test_every_instrument_is_declared_in_its_services_metrics_with_unit_and_meaning() -> None:
    names = []
    for path, call in made():
        assert path.name == "metrics.py", f"{path}:{call.lineno}"
        given = {keyword.arg for keyword in call.keywords}
        assert {"unit", "description"} <= given, f"{path}:{call.lineno}"
        [name] = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        assert name.startswith("approvalflow."), f"{path}:{call.lineno}"
        names.append(name)
    assert len(names) == len(set(names)) > 10
    observed = [path for path in SOURCES for _, name in calls(path) if name.startswith("create_observable")]
    assert observed == [Path("shared/metrics.py")]


def test_every_instrument_is_used() -> None:
    for path, call in made():
        holder = next(node for node in ast.walk(tree(path)) if isinstance(node, ast.Assign) and node.value is call)
        assert isinstance(holder.targets[0], ast.Name)
        name = holder.targets[0].id
        uses = [
            node for source in files(*path.parts[:2]) for node in ast.walk(tree(source))
            if (isinstance(node, ast.Attribute) and node.attr == name)
            or (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load))
        ]
        assert uses, f"{path}: {name} is never recorded"


def test_every_reason_is_described_and_given_by_something() -> None:
    given = {
        node.attr for path in SOURCES if path.name != "reasons.py" for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"
    }
    assert set(DESCRIPTION) == set(Reason)
    assert {reason.name for reason in Reason} - given == set()
    assert all(400 <= status < 600 and sentence.endswith(".") for status, sentence in DESCRIPTION.values())


def test_nothing_is_printed_by_a_service() -> None:
    found = [
        f"{path}:{node.lineno}" for path in SOURCES if path.parts[1] not in {"cli", "local"} for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert found == []


def test_files_are_short() -> None:
    long = {str(path): lines for path in SOURCES if (lines := len((ROOT / path).read_text().splitlines())) > 300}
    assert long == {}
