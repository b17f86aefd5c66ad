"""What is shown of work that takes long."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import typer.core
from rich.console import Console

from bench.__main__ import _run
from bench.report import Report
from services.cli import app
from services.cli.progress import SECONDS, Work


def lines(out: io.StringIO) -> list[str]:
    """What was written, without the seconds since the start."""
    return [line.partition(" s  ")[2] for line in out.getvalue().splitlines()]


@pytest.fixture
def out() -> io.StringIO:
    """A file."""
    return io.StringIO()


@pytest.fixture
def work(out: io.StringIO) -> Work:
    """Work that shows itself there."""
    return Work(Console(file=out, width=20))


def test_a_file_gets_a_line_for_each_new_thing_and_one_at_the_end(work: Work, out: io.StringIO) -> None:
    step = work.step("starting", 3, "faults")
    for number, fault in enumerate(("kill [red] decision", "kill [red] decision", "pause kafka, for quite a while")):
        step.at(number, fault)
    step.at(3)
    step.at(3)
    assert [line.partition(" faults")[0] for line in lines(out)] == [
        "kill [red] decision: 0 of 3", "pause kafka, for quite a while: 2 of 3", "pause kafka, for quite a while: 3 of 3"]
    assert ", took 0:00:0" in lines(out)[-1]


def test_of_one_thing_it_writes_now_and_then_only(work: Work, out: io.StringIO) -> None:
    step = work.step("verifying", 10_000, "entries")
    for _ in range(5_000):
        step.add(1)
    [line] = lines(out)
    assert line == "verifying: 1 of 10,000 entries"


def test_rate_and_time_left_are_those_of_the_work(work: Work, out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 0.0
    monkeypatch.setattr(work.bar, "get_time", lambda: seconds)
    step, slow = work.step("verifying", 40_000, "entries"), work.step("faults", 10, "faults")
    for _ in range(11):
        step.add(1000)
        slow.at(seconds / 10, f"at {seconds:.0f}")
        seconds += 1
    step.at(12_000, "nearly")
    assert "nearly: 12,000 of 40,000 entries, 1,000 a second, 0:00:28 left" in lines(out)
    assert any("6.0 a minute" in line for line in lines(out))


def test_what_goes_by_the_clock_has_no_rate(work: Work, out: io.StringIO) -> None:
    step = work.step("traffic", 20, SECONDS)
    step.at(1)
    step.at(20, also="7 pages approved")
    assert lines(out)[-1].startswith("traffic: 20 of 20 s, 7 pages approved, took ")


def test_measurements_for_a_program_are_one_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for failures, code in (({}, 0), ({"engine": "TooSmall: too few"}, 1)):
        with pytest.raises(typer.Exit) as ended:
            _run(Report(load="none", failures=failures), "none", lambda *_: tmp_path, {}, True)
        said = capsys.readouterr()
        assert ended.value.exit_code == code
        assert json.loads(said.out)["failures"] == failures
        assert "kept in" in said.err


def commands(group: typer.core.TyperGroup, before: str = "") -> Iterator[str]:
    """Every command, with the groups that it is in."""
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name


def test_how_each_command_ends_is_told() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    table = [line.split("|")[1] for line in Path("docs/cli.md").read_text().splitlines() if line.startswith("| `")]
    told = {name for row in table for name in row.replace("`", "").split(",")}
    group_of = {" ".join(name.split()[:-1]) for name in commands(group)}
    missing = [name for name in commands(group) if not any(name.endswith(each.strip()) for each in told)]
    assert missing == []
    assert group_of >= {"", "audit", "quarantine", "retention", "retention hold", "retention policy"}
