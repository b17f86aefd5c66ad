"""The manifests are what Kubernetes calls valid, and every pod of ours is confined, watched, told what it needs and nothing more.

Custom resources (Strimzi's, CloudNativePG's, KEDA's) have no schema here, since no package ships one: what they say is held
against the code in test_deploy_operators.py.
"""

import importlib.util
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI

from shared import health
from shared.settings import ServiceSettings
from tests.contract.deployed import ROOT, SERVICES, USER, module_of, pinned, secrets_of, settings_from, settings_of
from tests.contract.kustomized import Resource, build, containers

OVERLAYS = {path.name: build(path) for path in (ROOT / "deploy" / "k8s" / "overlays").iterdir()}
EVERY = [(overlay, one) for overlay, found in OVERLAYS.items() for one in found]


def made(*kinds: str) -> list[Any]:
    """Those of every overlay, as parameters of a test."""
    return [pytest.param(one, id=f"{overlay}-{one['metadata']['name']}") for overlay, one in EVERY if one["kind"] in kinds]


PODS, DEPLOYMENTS = made("Deployment", "Job"), made("Deployment")
OLDEST, NEWEST = "1.31", "1.37"
CUSTOM = {"keda.sh/v1alpha1", "kafka.strimzi.io/v1", "postgresql.cnpg.io/v1"}
APP = "app.kubernetes.io/name"


def one(found: list[Resource], kind: str, name: str) -> Resource:
    [only] = [each for each in found if each["kind"] == kind and each["metadata"]["name"] == name]
    return only


def pod_of(one: Resource) -> dict[str, Any]:
    spec: dict[str, Any] = one["spec"]["template"]["spec"]
    return spec


def container_of(one: Resource) -> dict[str, Any]:
    [only] = pod_of(one)["containers"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_they_are_what_kubernetes_calls_valid(overlay: str, version: str) -> None:
    for each in OVERLAYS[overlay]:
        if each["apiVersion"] not in CUSTOM:
            kubernetes_validate.validate(each, version, strict=True)
    names = [(each["kind"], each["metadata"]["name"]) for each in OVERLAYS[overlay]]
    assert len(names) == len(set(names))


def test_a_field_that_kubernetes_does_not_know_is_noticed() -> None:
    wrong = {**OVERLAYS["local"][0], "spec": {"containers": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_is_confined(pod: Resource) -> None:
    spec, container = pod_of(pod), container_of(pod)
    assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] == USER
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() >= {"cpu", "memory", "ephemeral-storage"}
    assert container["resources"]["limits"].keys() >= {"memory", "ephemeral-storage"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert all(volume.keys() & {"projected", "emptyDir", "persistentVolumeClaim"} for volume in spec["volumes"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_has_an_account_of_its_own_that_may_do_nothing(overlay: str) -> None:
    found = OVERLAYS[overlay]
    accounts = {each["metadata"]["name"]: each for each in found if each["kind"] == "ServiceAccount"}
    users = [pod_of(each)["serviceAccountName"] for each in found if each["kind"] in ("Deployment", "Job")]
    assert sorted(users) == sorted(accounts)
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())
    assert not [each["kind"] for each in found if "Role" in each["kind"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_is_deployed_and_the_image_is_of_this_version(overlay: str) -> None:
    found = OVERLAYS[overlay]
    assert {each["metadata"]["name"] for each in found if each["kind"] == "Deployment"} == set(SERVICES)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for container in containers(found):
        assert pinned(container["image"]) and container["image"].endswith(f":{version}")


@pytest.mark.parametrize("pod", DEPLOYMENTS)
def test_a_service_is_asked_at_the_port_and_the_paths_that_it_has(pod: Resource) -> None:
    container, service = container_of(pod), pod["metadata"]["name"]
    app = FastAPI()
    app.include_router(health.router({}))
    for probe, path in (("startupProbe", "/health/live"), ("livenessProbe", "/health/live"), ("readinessProbe", "/health/ready")):
        assert container[probe]["httpGet"] == {"path": path, "port": "http"}
        assert app.url_path_for(path.rpartition("/")[2]) == path
    assert container["readinessProbe"]["timeoutSeconds"] > 2  # so long may a check take
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    assert container["args"] == [module_of(service)] and importlib.util.find_spec(f"{container['args'][0]}.__main__")


@pytest.mark.parametrize("pod", DEPLOYMENTS)
def test_a_service_may_drain_before_it_is_killed(pod: Resource) -> None:
    waits = container_of(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
    stop = ServiceSettings.model_fields["stop_seconds"].default
    assert pod_of(pod)["terminationGracePeriodSeconds"] >= waits + 1.5 * stop


@pytest.mark.parametrize("pod", DEPLOYMENTS)
def test_a_service_is_spread_and_not_evicted_all_at_once(pod: Resource) -> None:
    name = pod["metadata"]["name"]
    [found] = [found for found in OVERLAYS.values() if any(pod is each for each in found)]
    assert one(found, "PodDisruptionBudget", name)["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": {APP: name}}}
    assert {each["topologyKey"] for each in pod_of(pod)["topologySpreadConstraints"]} >= {"kubernetes.io/hostname"}
    labels = pod["spec"]["template"]["metadata"]["labels"]
    for each in pod_of(pod)["topologySpreadConstraints"]:
        assert each["labelSelector"]["matchLabels"].items() <= labels.items() and each["matchLabelKeys"] == [APP]


def environment(found: list[Resource], container: Resource) -> dict[str, str]:
    """What a container is told: its ConfigMaps, then its own; what comes from a secret is empty."""
    maps = [one(found, "ConfigMap", each["configMapRef"]["name"])["data"] for each in container["envFrom"]]
    own = {each["name"]: each.get("value", "") for each in container.get("env", [])}
    return {name: value for each in (*maps, own) for name, value in each.items()}


def files_of(pod: Resource, volume: str) -> dict[str, tuple[str, str]]:
    """The files of a projected volume, and the secret and key that each holds."""
    [found] = [each["projected"]["sources"] for each in pod_of(pod)["volumes"] if each["name"] == volume]
    return {item["path"]: (each["secret"]["name"], item["key"]) for each in found for item in each["secret"]["items"]}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_service_starts_with_what_it_is_told(overlay: str, service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pod = one(OVERLAYS[overlay], "Deployment", service)
    told = environment(OVERLAYS[overlay], container_of(pod))
    kept = {"approvalflow_encryption_key": Fernet.generate_key().decode()}
    for name in files_of(pod, "secrets"):
        (tmp_path / name).write_text(kept.get(name, "postgresql://kept"))
    [mount] = [each["mountPath"] for each in container_of(pod)["volumeMounts"] if each["name"] == "secrets"]
    assert told["APPROVALFLOW_SECRETS_DIR"] == mount
    settings = settings_from(service, told | {"APPROVALFLOW_SECRETS_DIR": str(tmp_path)}, monkeypatch).model_dump()
    assert settings["kafka_security_protocol"] == "SASL_SSL" and settings["kafka_username"] == service
    assert settings["http_port"] == 8080 and settings["database"].get_secret_value() == "postgresql://kept"
    known = {f"APPROVALFLOW_{name.upper()}" for name in settings_of(service).model_fields}
    everyones = {"APPROVALFLOW_FACTS_MAX_AGE", "APPROVALFLOW_SECRETS_DIR", "PGSSLMODE", "PGSSLROOTCERT"}
    assert told.keys() - known <= everyones
    assert told["PGSSLMODE"] == "verify-full"


@pytest.mark.parametrize("pod", PODS)
def test_certificates_are_where_the_settings_say(pod: Resource) -> None:
    [found] = [found for found in OVERLAYS.values() if any(pod is each for each in found)]
    told = environment(found, container_of(pod))
    [mount] = [each["mountPath"] for each in container_of(pod)["volumeMounts"] if each["name"] == "certificates"]
    needed = {"kafka.crt": "APPROVALFLOW_KAFKA_CA_FILE", "postgres.crt": "PGSSLROOTCERT"}
    held = files_of(pod, "certificates")
    assert held and all(told[needed[name]] == f"{mount}/{name}" and key == "ca.crt" for name, (_, key) in held.items())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_are_only_referred_to(overlay: str) -> None:
    found = OVERLAYS[overlay]
    assert not [each for each in found if each["kind"] == "Secret"]
    for service in SERVICES:
        pod = one(found, "Deployment", service)
        said = environment(found, container_of(pod)).keys() & secrets_of(service)
        assert not said, said
        assert {name.upper() for name in files_of(pod, "secrets")} == secrets_of(service)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_secret_that_must_be_there_is_named_for_whoever_deploys(overlay: str) -> None:
    told = (ROOT / "docs" / "deployment.md").read_text()
    named = set(secrets_named(OVERLAYS[overlay]))
    assert len(named) > 10 and {name for name in named if f"`{name}`" not in told} == set()


def secrets_named(value: object, within: str = "") -> Iterator[str]:
    """The names of secrets anywhere in manifests, whichever way a resource refers to one."""
    if isinstance(value, list):
        for each in value:
            yield from secrets_named(each, within)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == "secretName" or (key == "name" and "secret" in within.lower()):
                yield each
            else:
                yield from secrets_named(each, key)
