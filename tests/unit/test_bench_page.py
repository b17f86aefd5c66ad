"""The pages say what was measured, and nothing else."""

from pathlib import Path

import pytest

from bench.page import PAGES, written
from bench.report import Figure, Goal, Report, Run

FIGURES = "<!-- tried: fast; slow -->\nold\n<!-- end -->\n"
GOALS = "<!-- tried: goals -->\n<!-- end -->\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two figures and two goals."""
    runs = [Run(value=value, cpu={"service": 40, "kafka": 10}) for value in (900, 1234.4, 2000)]
    figures = [Figure(name="fast", unit="x/s", runs=runs), Figure(name="slow, twice", unit="x/s", runs=[Run(value=7.25)])]
    goals = [Goal(what="speed", wanted=1000, measured=1234), Goal(what="age", wanted=1, measured=1.5, at_most=True)]
    (tmp_path / "tried.json").write_text(Report(load="x", figures=figures, goals=goals).model_dump_json())
    return tmp_path


def test_a_block_is_filled_with_its_figures(results: Path) -> None:
    page = written(f"before\n{FIGURES}after", results)
    assert "| fast | 1,234 x/s | 900 to 2,000 | 20,000 | service 40, kafka 10 |" in page
    assert "| slow, twice | 7.25 x/s |  |" in page
    assert "old" not in page
    assert page.startswith("before\n<!-- tried: fast; slow -->\n") and page.endswith("<!-- end -->\nafter")
    assert written(page, results) == page


def test_goals_say_whether_they_are_met(results: Path) -> None:
    page = written(GOALS, results)
    assert "| speed | ≥ 1,000 | 1,234 | met |" in page
    assert "| age | ≤ 1 | 1.5 | **not met** |" in page


def test_what_was_not_measured_cannot_be_shown(results: Path) -> None:
    with pytest.raises(LookupError, match="absent"):
        written("<!-- tried: absent -->\n<!-- end -->", results)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_shows_the_results_that_are_kept(page: Path) -> None:
    text = page.read_text()
    assert written(text) == text
    assert "<!-- end -->\n" in text
