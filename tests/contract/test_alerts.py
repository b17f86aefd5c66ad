"""Every alert is routed, tested just before and at its firing, and answered by a runbook whose commands exist."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from ruamel.yaml import YAML
from typer.core import TyperGroup
from typer.main import get_command

from services.cli import app, reference
from services.local.observe import DEPLOY, RESPONDERS, SEVERITIES, observing, scaled, webhooks
from tests.e2e.prometheus import needed
from tests.stack import Database

RULES = sorted(DEPLOY.glob("prometheus/rules/*.yml"))
TESTS = sorted(DEPLOY.glob("prometheus/tests/*.yml"))
BOOKS = {path.stem: path.read_text() for path in DEPLOY.glob("runbooks/*.md") if path.stem not in {"README", "post-incident"}}
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Escalation", "Communication"]
SERVED = {sample for metric in reference.metrics() for sample in metric.samples}


def loaded(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(path)
    return content


def rules() -> Iterator[dict[str, Any]]:
    yield from (rule for path in RULES for group in loaded(path)["groups"] for rule in group["rules"])


ALERTS = [rule for rule in rules() if "alert" in rule]


def promtool(*arguments: object) -> None:
    needed()
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)  # noqa: S603, S607 - our own files
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_runbook_for_each_alert_and_an_alert_for_each_runbook() -> None:
    assert {alert["alert"] for alert in ALERTS} == set(BOOKS)


def test_an_alert_says_how_urgent_it_is_whose_it_is_and_what_to_do() -> None:
    for alert in ALERTS:
        assert alert["labels"].keys() == {"severity", "responder"}, alert
        assert alert["labels"]["severity"] in SEVERITIES and alert["labels"]["responder"] in RESPONDERS, alert
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}, alert
        assert alert["annotations"]["runbook_url"].endswith(f"/runbooks/{alert['alert']}.md"), alert


def test_what_a_rule_or_a_runbook_asks_for_is_measured() -> None:
    asked = [rule["expr"] for rule in rules()] + list(BOOKS.values())
    named = {name for text in asked for name in re.findall(r"\bapprovalflow_\w+", text)}
    assert len(named) > 20
    assert named - SERVED == set()


@pytest.mark.parametrize("name", BOOKS)
def test_a_runbook_has_all_sections_each_with_something_in_it(name: str) -> None:
    title, *parts = re.split(r"^## ", BOOKS[name], flags=re.MULTILINE)
    assert title.strip() == f"# {name}"
    assert [part.partition("\n")[0] for part in parts] == SECTIONS
    assert all(len(part.partition("\n")[2].strip()) > 40 for part in parts)
    assert "```" in parts[2] and parts[5].partition("\n")[2].strip().startswith(">")


def test_runbooks_link_to_what_there_is() -> None:
    for path in DEPLOY.glob("runbooks/*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def commands() -> Iterator[tuple[str, str]]:
    """Where the command line is called in a runbook, and how."""
    for path in DEPLOY.glob("runbooks/*.md"):
        for call in re.findall(r"\bapprovalflow ((?:[a-z]+ )*[a-z]+[^`\n|]*)[`\n|]", path.read_text()):
            yield path.name, call


def test_runbooks_call_commands_and_options_that_there_are() -> None:
    found = list(commands())
    assert len({call.split()[0] for _, call in found}) >= 4
    for where, call in found:
        command = get_command(app)
        for word in call.split():
            if isinstance(command, TyperGroup):
                assert word in command.commands, f"{where}: {call}"
                command = command.commands[word]
        assert not isinstance(command, TyperGroup), f"{where}: {call}"
        options = {name for parameter in command.params for name in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", call)) <= options, f"{where}: {call}"


AS_OPERATOR = "?options=-c%20role%3Dapprovalflow_operator"
"""What makes the console's address that of operators."""


def statements() -> list[tuple[str | None, str]]:
    """What runbooks ask the database, each with the role that is to ask; None is the administrator."""
    roles = {"OPERATOR_DATABASE": "operator", "ADMIN_DATABASE": None}
    found = re.findall(r"""psql .*?"\$(\w+)" -c (?:"([^"]+)"|'([^']+)')""", "\n".join(BOOKS.values()))
    return [(roles[where], re.sub(r"^\\copy \((.*)\) TO .*", r"\1", one or other)) for where, one, other in found]


async def test_what_runbooks_ask_the_database_may_be_asked_by_who_is_to_ask(database: Database) -> None:
    asked = statements()
    assert len(asked) > 10
    assert AS_OPERATOR in (DEPLOY / "runbooks/README.md").read_text()
    for role, statement in asked:
        db = await asyncpg.connect(database.dsn() if role is None else database.dsn("console") + AS_OPERATOR)
        try:
            await db.fetch(statement)
        finally:
            await db.close()


def test_what_runbooks_ask_prometheus_can_be_asked(tmp_path: Path) -> None:
    blocks = re.findall(r"```promql\n(.*?)```", "\n".join(BOOKS.values()), re.DOTALL)
    asked = [{"record": f"asked:{n}", "expr": line} for n, line in enumerate("".join(blocks).splitlines())]
    assert len(asked) > 40
    (tmp_path / "asked.yml").write_text(json.dumps({"groups": [{"name": "asked", "rules": asked}]}))
    promtool("check", "rules", "--lint=none", tmp_path / "asked.yml")


def test_each_alert_is_tested_when_it_does_not_fire_yet_and_when_it_does() -> None:
    checks = [check for path in TESTS for test in loaded(path)["tests"] for check in test["promql_expr_test"]]
    for alert in ALERTS:
        about = f'ALERTS{{alertname="{alert["alert"]}", severity="{alert["labels"]["severity"]}"'
        assert {bool(check["exp_samples"]) for check in checks if about in check["expr"]} == {False, True}, alert["alert"]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_are_what_prometheus_reads(path: Path) -> None:
    promtool("check", "rules", "--lint=none", path)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_before(path: Path) -> None:
    promtool("test", "rules", path)


def test_every_responder_is_reached_for_every_severity() -> None:
    routes = loaded(DEPLOY / "alertmanager" / "alertmanager.yml")
    reached = {
        (route["matchers"][0].split(" = ")[1], end["matchers"][0].split(" = ")[1], end["receiver"])
        for route in routes["route"]["routes"] for end in route["routes"]
    }
    assert reached == {(severity, responder, f"{responder}-{severity}") for severity in SEVERITIES for responder in RESPONDERS}
    urls = {receiver["name"]: receiver["webhook_configs"][0]["url"] for receiver in routes["receivers"]}
    assert urls == {name.lower().replace("_", "-"): f"${{{name}}}" for name in webhooks("")}


async def test_both_programs_take_their_configuration(tmp_path: Path) -> None:
    needed()
    async with observing(tmp_path, {"command": "http://127.0.0.1:9"}, webhooks("http://127.0.0.1:9")):
        promtool("check", "config", tmp_path / "prometheus" / "prometheus.yml")
        checking = ["amtool", "check-config", str(tmp_path / "alertmanager" / "alertmanager.yml")]
        done = subprocess.run(checking, capture_output=True, text=True, check=False)  # noqa: ASYNC221, S603 - over at once
        assert done.returncode == 0, done.stdout + done.stderr


def test_only_durations_are_scaled() -> None:
    text = 'record: x:burn:5m\nexpr: sum(rate(a_5m{le="5|5.0"}[5m])) > 14.4 and x:burn:1h\nfor: 2m\ninterval: 15s # 99.9 %'
    assert scaled(text, 60) == (
        'record: x:burn:5m\nexpr: sum(rate(a_5m{le="5|5.0"}[5000ms])) > 14.4 and x:burn:1h\nfor: 2000ms\ninterval: 250ms # 99.9 %'
    )
    assert scaled(text, 1) == text
