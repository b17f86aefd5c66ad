"""Every fault there is, once, on the whole system under load: it recovers from each, and what it stored bears out every guarantee."""

from pathlib import Path

import pytest

from chaos.faults import CATALOGUE
from chaos.plan import plan
from chaos.run import run

SEED = 20


def _silent(*_: object) -> None:
    """What a person would see."""


@pytest.mark.timeout(900)
async def test_the_system_recovers_from_every_fault_and_keeps_its_promises(tmp_path: Path) -> None:
    faults = plan(SEED, max(50, len(CATALOGUE)), CATALOGUE)
    report = await run(tmp_path, SEED, faults, 15, _silent, _silent)
    assert report.failures() == []
    assert [s.fault for s in report.suffered if s.recovered is not None] == faults
    assert all(finding.checked for finding in report.findings)
    assert report.accepted > len(faults)
