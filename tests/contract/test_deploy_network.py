"""Who may reach whom: what the network policies of an overlay add up to, and which paths are open to the world."""

import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from ipaddress import ip_network
from typing import Any

import pytest
from fastapi.openapi.utils import get_openapi

from services.console import web
from tests.contract.deployed import ROOT, SERVICES
from tests.contract.kustomized import Resource
from tests.contract.test_deploy_kubernetes import OVERLAYS

KAFKA, POSTGRES, DNS, TLS, HTTP = 9093, 5432, 53, 443, 8080
OUT = {
    "command": {DNS, KAFKA, POSTGRES, TLS},
    "decision": {DNS, KAFKA, POSTGRES},
    "audit-fanout": {DNS, KAFKA, POSTGRES},
    "retention": {DNS, KAFKA, POSTGRES},
    "console": {DNS, KAFKA, POSTGRES, TLS, HTTP},
    "migrate": {DNS, POSTGRES},
    "topics": {DNS, KAFKA},
}
"""The ports that each of them may speak to; nothing else leaves it."""
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10")


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector of labels takes a pod."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions)
    return all(labels.get(each["key"]) in each["values"] for each in expressions)


def rules(found: list[Resource], labels: dict[str, str], direction: str) -> Iterator[dict[str, Any]]:
    """What the policies that take a pod let through."""
    for each in found:
        if each["kind"] == "NetworkPolicy" and selects(each["spec"]["podSelector"], labels):
            assert direction in each["spec"]["policyTypes"] or direction.lower() not in each["spec"]
            yield from each["spec"].get(direction.lower(), [])


def labels_of(found: list[Resource]) -> dict[str, dict[str, str]]:
    return {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
            for each in found if each["kind"] in ("Deployment", "Job")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nobody_talks_to_anybody_unless_told(overlay: str) -> None:
    [deny] = [each for each in OVERLAYS[overlay] if each["metadata"]["name"] == "default-deny"]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_reaches_what_it_needs_and_nothing_else(overlay: str) -> None:
    found = OVERLAYS[overlay]
    pods = labels_of(found)
    assert pods.keys() >= set(SERVICES)
    for name, labels in pods.items():
        out = [(port["port"], rule["to"]) for rule in rules(found, labels, "Egress") for port in rule["ports"]]
        assert {port for port, _ in out} == OUT[name], name
        assert all("ipBlock" not in peer for port, to in out for peer in to if port in (DNS, HTTP))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_may_reach_the_internet_may_not_reach_our_own_networks(overlay: str) -> None:
    for name, labels in labels_of(OVERLAYS[overlay]).items():
        for rule in rules(OVERLAYS[overlay], labels, "Egress"):
            for block in [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]:
                if ip_network(block["cidr"]).prefixlen < 8:
                    assert name in ("command", "console") and [port["port"] for port in rule["ports"]] == [TLS]
                    assert set(PRIVATE) <= set(block["except"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_who_may_come_in(overlay: str) -> None:
    found = OVERLAYS[overlay]
    pods = labels_of(found)
    for name, labels in pods.items():
        peers = [peer for rule in rules(found, labels, "Ingress") for peer in rule["from"]]
        spaces = {peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in peers if "namespaceSelector" in peer}
        assert spaces == {"monitoring"} | ({"ingress"} if name in ("command", "console") else set())
        ours = [peer["podSelector"] for peer in peers if "podSelector" in peer]
        inside = {other for other, theirs in pods.items() if any(selects(selector, theirs) for selector in ours)}
        assert inside == ({"console"} if name in set(SERVICES) - {"console"} else set()), name
        assert {port["port"] for rule in rules(found, labels, "Ingress") for port in rule["ports"]} == {HTTP}


@pytest.mark.parametrize(("server", "port"), [({"strimzi.io/cluster": "kafka"}, KAFKA), ({"cnpg.io/cluster": "postgres"}, POSTGRES)])
def test_a_server_in_the_same_cluster_is_reached_by_those_who_need_it(server: dict[str, str], port: int) -> None:
    found = OVERLAYS["local"]
    for name, labels in labels_of(found).items():
        reached = [
            {one["port"] for one in rule["ports"]} for rule in rules(found, labels, "Egress")
            for peer in rule["to"] if "podSelector" in peer and "namespaceSelector" not in peer and selects(peer["podSelector"], server)
        ]
        assert reached == ([{port}] if port in OUT[name] else []), name


def test_strimzi_lets_in_our_pods_and_the_scaler_alone() -> None:
    [kafka] = [each["spec"]["kafka"] for each in OVERLAYS["local"] if each["kind"] == "Kafka"]
    [listener] = kafka["listeners"]
    assert listener["port"] == KAFKA
    assert [*map(list, listener["networkPolicyPeers"])] == [["podSelector"], ["namespaceSelector"]]


def paths_of_pages() -> set[str]:
    """Every path of a page of the console."""
    modules = [import_module(f"{web.__name__}.{found.name}") for found in pkgutil.iter_modules(web.__path__)]
    routers = [module.routes for module in modules if hasattr(module, "routes")]
    return {path for router in routers for path in get_openapi(title="", version="", routes=router.routes)["paths"]}


def paths_of(service: str) -> set[str]:
    """Every path of a service's API."""
    return set(json.loads((ROOT / "docs" / f"openapi-{service}.json").read_text())["paths"])


def test_what_is_open_to_the_world_is_every_path_for_people_and_confluence_and_no_other() -> None:
    [ingress] = [each["spec"] for each in OVERLAYS["production"] if each["kind"] == "Ingress"]
    served = {"command": paths_of("command"), "console": paths_of("console") | paths_of_pages() | {"/static/"}}
    assert len(ingress["rules"]) == len(served) == len(ingress["tls"][0]["hosts"])
    for rule in ingress["rules"]:
        [name] = {path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
        opened = {path["path"]: path["pathType"] for path in rule["http"]["paths"]}
        assert set(opened) == {"/" + path.split("/")[1] for path in served[name]}
        assert opened.pop("/", "Exact") == "Exact" and set(opened.values()) == {"Prefix"}
        assert rule["host"] in ingress["tls"][0]["hosts"]
