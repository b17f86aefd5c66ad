"""Check a commit before it is released; what is found is kept in ``dist/release.json``."""

import json
import subprocess
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from release.check import DIST, Check, Verdict, output
from release.checks import CHECKS
from services.cli.ending import stoppable
from services.cli.progress import AsJson, console, emit, shown

Only = Annotated[str | None, typer.Option(help=f"One check: {', '.join(check.name for check in CHECKS)}.")]


def release_check(only: Only = None, as_json: AsJson = False) -> None:
    """Check a commit before it is released; what is found is kept in dist/.

    Ends with 0 if everything passed; with 1 if something did not; with 2 if it is called wrongly; with 130 if it was told to stop.
    """
    wanted = [check for check in CHECKS if only in (None, check.name)]
    if not wanted:
        raise typer.BadParameter(f"there is no check {only!r}")
    found: dict[str, dict[str, Any]] = {}
    with stoppable(), shown() as work:
        step = work.step("starting", len(wanted), "checks")
        for number, check in enumerate(wanted):
            step.at(number, check.name)
            found[check.name] = _made(check)
        step.at(len(wanted), "checks")
    result = {"commit": output("git", "rev-parse", "HEAD").strip(), "checks": found}
    if only is None:
        DIST.mkdir(exist_ok=True)
        (DIST / "release.json").write_text(json.dumps(result, indent=2) + "\n")
    if as_json:
        emit(result)
    else:
        _show(console(), found)
    if not all(each["passed"] for each in found.values()):
        raise typer.Exit(1)


def _made(check: Check) -> dict[str, Any]:
    began = time.monotonic()
    try:
        verdict = check.run()
    except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
        verdict = Verdict("not finished", [f"{type(error).__name__}: {error}"])
    return {
        "what": check.what, "passed": verdict.passed, "summary": verdict.summary, "problems": list(verdict.problems),
        "seconds": round(time.monotonic() - began, 1),
    }


def _show(on: Console, found: dict[str, dict[str, Any]]) -> None:
    table = Table("check", "what must hold", "", "found", box=None)
    table.add_column("s", justify="right")
    for name, each in found.items():
        state = "[green]passed[/]" if each["passed"] else "[red]FAILED[/]"
        table.add_row(name, each["what"], state, each["summary"].replace("[", r"\["), f"{each['seconds']:,.1f}")
    on.print(table)
    for name, each in found.items():
        for problem in each["problems"]:
            on.print(f"{name}: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(release_check)
