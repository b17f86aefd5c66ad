"""What is compared does the same work: each ends with the same approvals approved and as many outcomes."""

from collections.abc import AsyncIterator

import pytest

from bench.compare import CEILING, ENGINE, NAIVE, NAIVE_8, Sizes, compare
from bench.report import Report
from bench.stage import Stage, opened

SIZES = Sizes(engine=8_000, naive=300, naive_8=300)
"""The engine needs more than a few batches to be watched at all."""
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Servers of its own, as the bench has."""
    async with opened(tmp_path_factory.mktemp("bench"), lambda _: None) as started:
        yield started


async def _ended(stage: Stage, schema: str, table: str) -> tuple[list[tuple[str, int]], int]:
    """The pages approved, at which version, and how many votes have an outcome."""
    pages = await stage.db.fetch(
        f"SELECT page_id, version FROM {schema}.{table} WHERE status = 'approved' AND site_id LIKE 'round-%' ORDER BY page_id")
    votes = await stage.db.fetchval(
        f"SELECT count(*) FROM {schema}.outcome WHERE voter_id IS NOT NULL AND reason IS NULL AND site_id LIKE 'round-%'")
    return [(row["page_id"], row["version"]) for row in pages], votes


def _all(pages: int) -> tuple[list[tuple[str, int]], int]:
    return [(page, 4) for page in sorted(map(str, range(pages)))], 3 * pages


async def test_all_end_alike(stage: Stage) -> None:
    """Every page approved by three votes, each with its outcome: the measurements would have raised if not, and the rows show it."""
    report = Report(load="")
    await compare(stage, report, 1, SIZES, processes=1)
    assert report.failures == {}
    assert {figure.name for figure in report.figures} == {ENGINE, CEILING, NAIVE, NAIVE_8}
    assert await _ended(stage, "approvals", "page") == _all(SIZES.engine)
    assert await _ended(stage, "bench_ceiling", "page") == _all(SIZES.engine)
    assert await _ended(stage, "bench_naive", "approval") == _all(SIZES.naive_8)
