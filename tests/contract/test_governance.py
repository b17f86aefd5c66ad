"""Who must agree, how dependencies stay fresh, and by when findings are mended: settings and pages say what is so."""

import json
import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from release import findings, review
from release.check import ROOT

OWNED = dict(line.split(maxsplit=1) for line in (ROOT / ".github/CODEOWNERS").read_text().splitlines() if line and line[0] != "#")
RULES = {rule["type"]: rule.get("parameters", {}) for rule in json.loads((ROOT / ".github/rulesets/main.json").read_text())["rules"]}
PAGES = [
    "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", ".github/pull_request_template.md", "docs/quarterly-review.md",
    "docs/threat-model.md", "docs/privacy.md",
]


def test_the_branch_takes_only_what_was_reviewed_and_checked() -> None:
    ruleset = json.loads((ROOT / ".github/rulesets/main.json").read_text())
    assert ruleset["enforcement"] == "active" and ruleset["bypass_actors"] == []
    assert "~DEFAULT_BRANCH" in ruleset["conditions"]["ref_name"]["include"] and not ruleset["conditions"]["ref_name"]["exclude"]
    assert {"deletion", "non_fast_forward"} <= set(RULES)
    asked = RULES["pull_request"]
    assert asked["required_approving_review_count"] >= 1
    assert asked["require_code_owner_review"] and asked["dismiss_stale_reviews_on_push"] and asked["require_last_push_approval"]


def test_the_gate_that_must_pass_is_the_one_there_is() -> None:
    required = RULES["required_status_checks"]
    assert required["strict_required_status_checks_policy"] is True
    named = {check["context"] for check in required["required_status_checks"]}
    assert named and all((ROOT / name).is_file() for name in named)
    gate = (ROOT / ".ci/run").read_text()
    assert "make check" in gate and "make test" in gate and "set -euo pipefail" in gate


def test_everything_has_an_owner_and_whatever_is_owned_exists() -> None:
    assert "*" in OWNED
    assert [path for path in OWNED if path != "*" and not (ROOT / path.strip("/")).exists()] == []
    assert all(re.fullmatch(r"(@flowdence/[a-z-]+ ?)+", owners) for owners in OWNED.values())


@pytest.mark.parametrize("path", [
    "/shared/tokens.py", "/shared/callers.py", "/services/rules/", "/release/", "/.github/", "/requirements.lock", "/SECURITY.md",
])
def test_security_must_agree_to_what_proves_who_may_do_what(path: str) -> None:
    assert "@flowdence/security" in OWNED[path]


def test_every_kind_of_dependency_is_kept_fresh_and_security_does_not_wait() -> None:
    path = ROOT / ".github/renovate.json"
    subprocess.run(  # noqa: S603 - fixed command
        [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.renovate", path], check=True, capture_output=True,
    )
    settings: dict[str, Any] = json.loads(path.read_text())
    manifests = {
        "pep621": "pyproject.toml", "dockerfile": "deploy/Dockerfile", "docker-compose": "docker-compose.yml",
        "kubernetes": "deploy/k8s/base/command.yaml", "kustomize": "deploy/k8s/base/kustomization.yaml",
        "maven": "services/local/kafka/pom.xml",
    }
    assert set(settings["enabledManagers"]) == set(manifests)
    assert all((ROOT / manifest).is_file() for manifest in manifests.values())
    assert settings["vulnerabilityAlerts"]["schedule"] == ["at any time"] and settings["osvVulnerabilityAlerts"] is True
    assert "make lock" in settings["postUpgradeTasks"]["commands"]


def test_severities_have_the_marketplaces_times_in_code_and_on_the_page() -> None:
    said = dict(re.findall(r"^\| (\w+) \|.*\| (\d+) weeks \|$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE))
    assert {name: int(weeks) for name, weeks in said.items()} == findings.WEEKS == {"critical": 4, "high": 6, "medium": 8, "low": 25}


@pytest.mark.parametrize(("severity", "last"), [
    ("critical", date(2026, 1, 29)), ("high", date(2026, 2, 12)), ("medium", date(2026, 2, 26)), ("low", date(2026, 6, 25)),
])
def test_a_finding_is_overdue_the_day_after_its_time(severity: str, last: date) -> None:
    finding = {"id": "SEC-1", "severity": severity, "confirmed": date(2026, 1, 1)}
    assert list(findings.overdue([finding], last)) == []
    assert len(list(findings.overdue([finding], last.replace(day=last.day + 1)))) == 1
    assert list(findings.overdue([finding | {"fixed_in": "0.1.1"}], date(2027, 1, 1))) == []


def test_every_registered_finding_is_whole() -> None:
    for finding in tomllib.loads(findings.REGISTER.read_text()).get("finding", []):
        assert finding["id"] and findings.due(finding) > finding["confirmed"]


def test_a_review_that_was_not_held_or_not_planned_is_noticed() -> None:
    plan = "| 2026-01-15 | 2026-01-14 | ann | nothing |\n| 2026-04-15 |  |  |  |\n"
    assert list(review.problems(plan, date(2026, 4, 15))) == []
    assert list(review.problems(plan, date(2026, 4, 16))) == ["the review due on 2026-04-15 was not held"]
    assert list(review.problems("", date(2026, 1, 1))) == ["no next review is planned"]
    assert list(review.problems(plan.replace("04-15 |  |", "04-15 | 2026-04-15 |"), date(2026, 4, 16))) == ["no next review is planned"]
    assert len(list(review.problems(plan.replace("2026-04", "2026-05"), date(2026, 3, 1)))) == 1


def test_a_next_review_is_planned() -> None:
    assert list(review.problems(review.PAGE.read_text(), date(2026, 11, 25))) == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_what_there_is(page: str) -> None:
    path = ROOT / page
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()) if not re.match(r"https://|mailto:", target)]
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_security_says_where_to_report_and_what_to_include() -> None:
    said = (ROOT / "SECURITY.md").read_text()
    assert "security@flowdence.io" in said
    assert all(f"**{part}**" in said for part in ("impact", "reproduction steps", "affected environments"))


def test_every_table_is_told_of_where_it_says_what_is_kept_of_people() -> None:
    made = {name for path in (ROOT / "shared/schema").glob("*.sql") for name in re.findall(r"CREATE TABLE (\w+\.\w+)", path.read_text())}
    told = set(re.findall(r"`(\w+\.\w+)`", (ROOT / "docs/privacy.md").read_text()))
    assert len(made) > 15 and made - told == set()


def test_a_review_of_an_incident_follows_its_actions_to_their_end() -> None:
    page = (ROOT / "deploy/runbooks/post-incident.md").read_text()
    [columns] = [line for line in page.splitlines() if line.startswith("| action |")]
    assert {"owner", "due", "seen by", "closed on"} <= {column.strip() for column in columns.split("|")}
    assert "post-incident.md" in (ROOT / "SECURITY.md").read_text()
    assert "corrective actions closed" in (ROOT / "docs/quarterly-review.md").read_text()
