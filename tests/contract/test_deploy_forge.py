"""The Forge app is sent the events that ``command`` makes facts of, at the place where it takes them, and holds nothing it needs not.

Atlassian's own validator is an npm package and does not run here; docs/deployment.md says how to run it.
"""

import json
import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from services.command.domain import PAGE_CHANGES, SPACE_CHANGES
from services.command.translate_forge import CONTENT, translate
from shared.clock import now
from shared.contracts.base import Caller, Channel, Environment, Licence
from shared.contracts.facts import AppChanged, Fact, PageChanged, SpaceChanged
from tests.contract.deployed import ROOT
from tests.contract.test_deploy_kubernetes import OVERLAYS, one

PATH = ROOT / "deploy" / "forge" / "manifest.yml"
MANIFEST: dict[str, Any] = YAML(typ="safe").load(PATH)
MODULES = MANIFEST["modules"]
EVENTS = [event for trigger in MODULES["trigger"] for event in trigger["events"]]
APP = Caller(channel=Channel.FORGE, environment=Environment.PRODUCTION, licence=Licence.UNKNOWN, app=True)
FACTS: dict[str, type[Fact]] = {"page": PageChanged, "blogpost": PageChanged, "space": SpaceChanged, "app": AppChanged}
NEVER_SENT = {"removed:page", "removed:blogpost", "removed:space:V2"} | {
    f"{verb}:blogpost" for verb in ("published", "moved", "archived", "unarchived")
}
"""Changes that other channels tell of, and that Forge has no event for."""
NEEDED = {
    "read:confluence-content.summary": r":(page|blogpost)$", "write:confluence-content": r":(trashed|deleted):(page|blogpost)$",
    "read:confluence-space.summary": r":space:", "write:confluence-space": r":deleted:space:",
}
"""The scopes of Confluence's events, as Atlassian documents them, and the events that need each."""


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_that_is_sent_becomes_a_fact(event: str) -> None:
    at = now()
    about = {"content": {"id": "7", "version": {"number": 2}, "space": {"id": 1}}, "space": {"id": 1}}
    found = translate({"eventType": event, "eventCreatedDate": at.isoformat(), **about}, "site", APP, at)
    assert isinstance(found.fact, FACTS[event.split(":")[3]])


def test_every_event_that_would_become_a_fact_is_sent() -> None:
    made = {f"{verb}:{kind}" for kind in CONTENT for verb in PAGE_CHANGES} | {f"{verb}:space:V2" for verb in SPACE_CHANGES}
    assert set(EVENTS) == {f"avi:confluence:{name}" for name in made - NEVER_SENT} | {"avi:forge:installed:app"}
    assert len(EVENTS) == len(set(EVENTS))


def test_events_go_to_the_place_where_command_takes_them() -> None:
    [remote], [endpoint] = MANIFEST["remotes"], MODULES["endpoint"]
    assert endpoint["remote"] == remote["key"]
    assert "post" in json.loads((ROOT / "docs" / "openapi-command.json").read_text())["paths"][endpoint["route"]["path"]]
    assert {one["endpoint"] for one in (*MODULES["trigger"], *MODULES["preUninstall"])} == {endpoint["key"]}
    found = OVERLAYS["production"]
    assert remote["baseUrl"] == one(found, "ConfigMap", "command")["data"]["APPROVALFLOW_BASE_URL"]
    assert MANIFEST["app"]["id"] == one(found, "ConfigMap", "callers")["data"]["APPROVALFLOW_FORGE_APP"]


def test_a_scope_is_held_only_for_an_event_that_needs_it_and_says_why() -> None:
    needed = {scope for scope, events in NEEDED.items() if any(re.search(events, event) for event in EVENTS)}
    assert set(MANIFEST["permissions"]["scopes"]) == needed
    lines = [line for line in PATH.read_text().splitlines() if "confluence-" in line]
    assert len(lines) == len(needed) and all(re.search(r"#.{20,}", line) for line in lines)


def test_no_token_is_handed_out_and_nothing_else_is_reached() -> None:
    [endpoint] = MODULES["endpoint"]
    assert endpoint["auth"] == {"appSystemToken": {"enabled": False}, "appUserToken": {"enabled": False}}
    assert MANIFEST["permissions"].keys() == {"scopes"}  # no egress but to the remote
    assert len(MANIFEST["remotes"]) == 1 and MANIFEST["remotes"][0]["baseUrl"].startswith("https://")


def test_tokens_say_whether_the_licence_is_active() -> None:
    assert MANIFEST["app"]["licensing"] == {"enabled": True}
