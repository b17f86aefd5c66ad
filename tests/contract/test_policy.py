"""The policy and the threat model say what is so: each claim leads to code, and to a test that can fail."""

import re
from pathlib import Path

import pytest

from release import policy
from release.check import ROOT

PAGE = policy.PAGE.read_text()
THREATS = ROOT / "docs/threat-model.md"
ARROWS = [part.split("\n", 1) for part in re.split(r"^### ", THREATS.read_text(), flags=re.MULTILINE)[1:]]
KINDS = "STRIDE"


def test_every_line_of_the_policy_has_its_code_and_its_test() -> None:
    assert len(policy.claims(PAGE)) == 34
    assert list(policy.problems(PAGE)) == []


@pytest.mark.parametrize(("was", "becomes", "why"), [
    ("only workflow owners or space admins can mutate", "mostly workflow owners can mutate", "word for word"),
    ("> • No secrets are stored in source code.\n", "", "word for word"),
    ("| evidence | `secrets` in `release.json` |\n", "", "says no evidence"),
    ("(../services/rules/guards.py)", "(../services/rules/guard.py)", "leads nowhere"),
    ("[test_no_secret_was_ever_committed]", "[test_no_secret_was_ever_planned]", "has no test"),
    ("| code | [SECURITY.md](../SECURITY.md) |", "| code | SECURITY.md |", "has no link to code"),
])
def test_what_is_missing_is_noticed(was: str, becomes: str, why: str) -> None:
    assert was in PAGE
    assert any(why in problem for problem in policy.problems(PAGE.replace(was, becomes)))


def test_a_claim_without_a_test_is_noticed() -> None:
    without = re.sub(r"^\| tests \| .*$", "| tests | one day |", PAGE, count=1, flags=re.MULTILINE)
    assert [problem for problem in policy.problems(without) if "has no link to a test" in problem]


def test_a_test_that_asserts_nothing_proves_nothing(tmp_path: Path) -> None:
    module = tmp_path / "test_some.py"
    module.write_text(
        "def checked(x):\n    assert x\n"
        "def test_own():\n    assert 1\n"
        "async def test_raises():\n    with pytest.raises(ValueError):\n        int('x')\n"
        "def test_by_another():\n    checked(1)\n"
        "async def test_browser(page):\n    await expect(page).to_be_visible()\n"
        "def test_nothing():\n    print(1)\n"
    )
    names = ("test_own", "test_raises", "test_by_another", "test_browser", "test_nothing", "test_none")
    assert [policy.asserts(module, name) for name in names] == [True, True, True, True, False, False]


def test_the_arrows_of_the_threat_model_are_those_of_its_picture() -> None:
    drawn = re.findall(r"<circle[^>]*/><text[^>]*>(\d+)</text>", (ROOT / "docs/data-flow.svg").read_text())
    assert [title.split(".")[0] for title, _ in ARROWS] == sorted(drawn, key=int) == [str(n + 1) for n in range(len(ARROWS))]


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda arrow: arrow[0].split(".")[0])
def test_every_arrow_has_each_kind_of_threat_with_its_control_and_proof(arrow: list[str]) -> None:
    rows = re.findall(r"^\| ([A-Z]) \| (.+?) \| (.+) \| (.*) \|$", arrow[1], re.MULTILINE)
    assert "".join(kind for kind, *_ in rows) == KINDS
    for _, threat, control, proof in rows:
        accepted = [text for text in (control, proof) if re.match(r"\*\*accepted\*\*: .{20,}", text)]
        assert accepted or (("](../" in control or "arrow" in control) and "[test_" in proof), threat


def test_nothing_in_the_threat_model_leads_astray() -> None:
    assert list(policy.astray(THREATS.read_text(), THREATS.parent)) == []
