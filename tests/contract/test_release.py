"""What a release is checked for, as far as it is quickly done, and that each check can fail."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from packaging.version import Version
from typer.testing import CliRunner

import release.__main__ as program
from release import audit, bom, changelog, licences, wheel
from release.check import ROOT, Check, Verdict
from release.checks import CHECKS
from release.programs import programs, suites


def advisory(*events: dict[str, str], versions: tuple[str, ...] = ()) -> dict[str, Any]:
    package = {"ecosystem": "PyPI", "name": "some-thing"}
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}]
    return {"id": "X-1", "affected": [{"package": package, "ranges": ranges, "versions": list(versions)}]}


@pytest.mark.parametrize(("version", "hit"), [
    ("0.9", False), ("1.0", True), ("1.9.5", True), ("1.10", False), ("2.0", True), ("2.4", True), ("2.5", False), ("3.0rc1", True),
])
def test_a_version_within_any_range_or_named_is_affected(version: str, hit: bool) -> None:
    known = [advisory(
        {"introduced": "1.0"}, {"fixed": "1.10"}, {"introduced": "2.0"}, {"last_affected": "2.4"}, versions=("3.0rc1",),
    )]
    assert bool(list(audit.affected(known, {"some-thing": Version(version)}))) is hit


def test_a_lock_file_is_read_with_its_markers() -> None:
    text = "a.B_c==1.0 \\\n    --hash=sha256:00\nd==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:11\n"
    assert audit.locked(text) == {"a-b-c": Version("1.0"), "d": Version("2.0")}


def test_nothing_locked_has_an_advisory_in_the_snapshot() -> None:
    kept = json.loads(audit.SNAPSHOT.read_text())
    about = {part["package"]["name"] for each in kept["advisories"] for part in each["affected"]}
    assert about <= set(audit.locked(audit.LOCK.read_text()))  # so each of them is really compared
    assert kept["taken"] and kept["source"] and kept["holds"]
    assert audit.snapshot().problems == []


def test_where_the_service_must_answer_a_snapshot_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "asked", lambda _: None)
    assert audit.check().passed
    monkeypatch.setenv(audit.REQUIRE, "1")
    assert not audit.check().passed


def test_licences_of_all_dependencies_are_allowed() -> None:
    assert licences.check().problems == []


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "MIT AND AGPL-3.0", "MIT License; Other/Proprietary License", "UNKNOWN"])
def test_a_licence_is_refused_as_a_whole_if_a_part_of_it_is(licence: str) -> None:
    rules = tomllib.loads(licences.ALLOWED.read_text())
    assert list(licences.refused([{"Name": "x", "Version": "1", "License": licence}], {"x"}, rules)) == [f"x 1: {licence}"]


def test_what_only_a_tool_may_have_is_refused_of_what_is_shipped() -> None:
    package = {"Name": "A.tool", "Version": "1", "License": "GPL-3.0"}
    rules = tomllib.loads(licences.ALLOWED.read_text())
    assert list(licences.refused([package], set(), rules)) == []
    assert len(list(licences.refused([package], {"a-tool"}, rules))) == 1


def test_the_bill_of_materials_has_every_package_with_its_hashes(tmp_path: Path) -> None:
    made = bom.write(tmp_path / "sbom.json")
    assert bom.lacking(made) == []
    made["components"].pop(0)
    made["components"][0]["externalReferences"] = []
    assert len(bom.lacking(made)) == 2


def test_the_wheel_is_the_same_bytes_wherever_it_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "DIST", tmp_path)
    assert wheel.check().problems == []
    assert [path.suffix for path in tmp_path.iterdir()] == [".whl"]


def test_what_differs_in_a_wheel_is_seen(tmp_path: Path) -> None:
    one, two = (wheel.build(tmp_path / epoch, 0o022, SOURCE_DATE_EPOCH=epoch) for epoch in ("1000000000", "1100000000"))
    assert one.read_bytes() != two.read_bytes()


def test_the_changelog_tells_of_this_version() -> None:
    assert changelog.check().problems == []


@pytest.mark.parametrize("text", [
    "", "## 1.2.0 - 2026-01-02\n\n- later\n", "## 1.1.0\n\n- undated\n", "## 1.1.0 - 2026-01-02\n\n## 1.0.0 - 2026-01-01\n\n- earlier\n",
])
def test_a_changelog_that_says_nothing_of_a_version_is_noticed(text: str) -> None:
    assert changelog.entry(text, "1.1.0") is None


def called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *checks: Check, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    monkeypatch.setattr(program, "CHECKS", checks)
    monkeypatch.setattr(program, "DIST", tmp_path)
    app = typer.Typer()
    app.command()(program.release_check)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout


def failing(error: Exception) -> Callable[[], Verdict]:
    def run() -> Verdict:
        raise error

    return run


GOOD = Check("good", "all is well", lambda: Verdict("seen"))
BAD = Check("bad", "nothing is wrong", lambda: Verdict("seen", ["something is"]))
BROKEN = Check("broken", "it can be asked", failing(FileNotFoundError("no such file")))


def test_the_program_ends_with_0_only_if_everything_passed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert called(monkeypatch, tmp_path, GOOD)[0] == 0
    for wrong in (BAD, BROKEN):
        code, said = called(monkeypatch, tmp_path, GOOD, wrong)
        assert code == 1 and "FAILED" in said


def test_one_check_may_be_asked_for_and_must_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert called(monkeypatch, tmp_path, GOOD, BAD, arguments=("--only", "good"))[0] == 0
    assert not list(tmp_path.iterdir())  # a part is no evidence
    assert called(monkeypatch, tmp_path, GOOD, arguments=("--only", "other"))[0] == 2


def test_what_was_found_is_kept_and_told_to_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, said = called(monkeypatch, tmp_path, GOOD, BROKEN, arguments=("--json",))
    told = json.loads(said)
    assert code == 1 and len(told["commit"]) == 40
    assert {name: each["passed"] for name, each in told["checks"].items()} == {"good": True, "broken": False}
    assert told["checks"]["broken"]["problems"] == ["FileNotFoundError: no such file"]
    assert json.loads((tmp_path / "release.json").read_text()) == told


def test_a_program_that_fails_is_a_problem_and_says_where_to_look() -> None:
    verdict = programs("example", ("python", "-c", "print('what it says'); raise SystemExit(3)"))()
    assert verdict.summary == "what it says"
    assert verdict.problems and "ended with 3: see dist/example.log" in verdict.problems[0]
    assert programs("example", ("python", "-c", "print('well')"))().passed


def test_tests_that_are_not_there_are_a_problem() -> None:
    assert suites("example", "tests/unit", "tests/nowhere")().problems == ["there is no tests/nowhere"]


def test_each_check_has_its_own_name_and_make_runs_them() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert "release-check:" in (ROOT / "Makefile").read_text()
