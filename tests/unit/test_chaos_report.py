"""What is measured and said: how long a partition stood still, percentiles, and that every failure is named."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from chaos.faults import CATALOGUE
from chaos.report import page, percentile, save
from chaos.run import IDLE_LIMIT, Report, Suffered, in_vain
from chaos.waits import Wait, longest_wait
from services.local.proof.guarantees import Finding
from services.local.site.tally import Tally
from tests.builders import NOON


@dataclass
class Told:
    """A record, as far as times go."""

    id: str
    partition: int
    timestamp: int
    topic: str = "t"
    offset: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = (("ce_id", self.id.encode()),)


def test_a_partition_stands_still_only_while_something_waits() -> None:
    asked = [Told("a", 0, 0), Told("b", 0, 9000), Told("c", 1, 1000), Told("d", 1, 1100)]
    told = [Told("a", 0, 100), Told("b", 0, 9200), Told("c", 1, 3500), Told("d", 1, 3600), Told("a", 0, 20_000)]
    assert longest_wait(asked, told) == Wait(2.5, 1, datetime.fromtimestamp(1, UTC))


def test_to_be_late_all_along_is_not_to_stand_still() -> None:
    asked = [Told(str(n), 0, 100 * n) for n in range(50)]
    told = [Told(str(n), 0, 100 * n + 4000) for n in range(50)]
    before = Told("before", 0, 3990)
    assert longest_wait([*asked, before], [before, *told]).seconds == 0.1
    assert longest_wait(asked, told).seconds == 4.0


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile([3.0], 99), percentile([], 50)) == (50, 99, 3, 0)


def a_report() -> Report:
    """Two faults that were recovered from."""
    holds = [Finding("G1", "every accepted command has exactly one outcome", 10, None)]
    return Report(7, "Apache Kafka", Tally(), suffered=[Suffered(CATALOGUE[0], 0.0, 1.5), Suffered(CATALOGUE[1], 0.0, 2.5)], findings=holds)


def test_every_kind_of_failure_is_one() -> None:
    assert a_report().failures() == []
    spoilt = a_report()
    spoilt.findings.append(Finding("G3", "versions rise by one", 4, "a gap"))
    spoilt.suffered.append(Suffered(CATALOGUE[2], 0.0, None, "number 2: not well"))
    spoilt.stopped = "number 3 was the last"
    spoilt.tally.surprises.append("a vote was lost")
    spoilt.waits.append(Wait(IDLE_LIMIT + 0.1, 3, NOON))
    spoilt.wrong = "audit log: a hole"
    assert len(spoilt.failures()) == 6
    assert all(failure in page(spoilt) for failure in spoilt.failures())


def test_the_page_says_how_to_have_the_run_again(tmp_path: Path) -> None:
    save(a_report(), tmp_path / "chaos.md")
    text = (tmp_path / "chaos.md").read_text()
    assert "--faults 2 --seed 7" in text
    assert "| kill -9 | command | 1 | 1.5 | 1.5 | 1.5 |" in text
    assert '"recovered":2.5' in (tmp_path / "chaos.json").read_text()


def test_a_run_goes_on_until_several_faults_in_a_row_went_wrong() -> None:
    well, ill = Suffered(CATALOGUE[0], 0.0, 1.5), Suffered(CATALOGUE[0], 0.0, None, "not well")
    assert [in_vain(those) for those in ([], [ill, ill], [ill, ill, well], [well, ill, ill, ill])] == [False, False, False, True]
