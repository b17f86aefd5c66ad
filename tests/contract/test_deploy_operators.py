"""What Strimzi, CloudNativePG and KEDA are told agrees with the routing table, the roles and the groups that the code has."""

from itertools import chain
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from shared.contracts.topics import GROUPS, TOPICS, acls
from shared.postgres import migrate
from tests.contract.deployed import SERVICES, pinned, role_of
from tests.contract.kustomized import Resource
from tests.contract.test_deploy_kubernetes import OVERLAYS, files_of, one
from tests.stack import Database

LOCAL = OVERLAYS["local"]
PARTITIONS = int(one(LOCAL, "ConfigMap", "settings")["data"]["APPROVALFLOW_PARTITIONS"])
SCALED = {"decision": ["decision"], "audit-fanout": ["audit-fanout-store", "audit-fanout-archive"]}
"""The services that grow with what waits, and the groups whose lag says so."""


def kinds(kind: str, found: list[Resource] = LOCAL) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def test_the_topics_are_those_of_the_routing_table() -> None:
    made = {name: each["spec"] for name, each in kinds("KafkaTopic").items()}
    assert made == {
        topic.name: {"partitions": PARTITIONS, "replicas": 1, "config": {"retention.ms": topic.retention_ms}} for topic in TOPICS
    }
    assert "Job" not in {each["kind"] for each in LOCAL if each["metadata"]["name"] == "topics"}
    assert kinds("Kafka")["kafka"]["spec"]["kafka"]["config"]["auto.create.topics.enable"] is False


def granted(user: Resource) -> set[tuple[str, str, str]]:
    said = user["spec"]["authorization"]["acls"]
    return {(operation, one["resource"]["type"], one["resource"]["name"]) for one in said for operation in one["operations"]}


def test_a_service_may_do_on_the_log_what_the_routing_table_says_and_the_scaler_only_looks() -> None:
    users = kinds("KafkaUser")
    assert users.keys() == {*SERVICES, "scaler"}
    for service in SERVICES:
        assert granted(users[service]) == {(a.operation, a.resource, a.name) for a in acls() if a.service == service}
    watched = {("Describe", "group", group) for groups in SCALED.values() for group in groups}
    watched |= {("Describe", "topic", GROUPS[group].name) for groups in SCALED.values() for group in groups}
    assert granted(users["scaler"]) == watched
    for user in users.values():
        assert user["spec"]["authentication"] == {"type": "scram-sha-512"} and user["spec"]["authorization"]["type"] == "simple"


def test_a_broker_lets_in_only_who_says_who_they_are_and_lets_them_do_only_what_is_granted() -> None:
    said = kinds("Kafka")["kafka"]["spec"]
    [listener] = said["kafka"]["listeners"]
    assert listener["tls"] is True and listener["authentication"] == {"type": "scram-sha-512"}
    assert said["kafka"]["authorization"] == {"type": "simple"}  # without super users
    address = one(LOCAL, "ConfigMap", "settings")["data"]["APPROVALFLOW_KAFKA"]
    assert address == f"kafka-kafka-bootstrap:{listener['port']}"
    labelled = chain(kinds("KafkaTopic").values(), kinds("KafkaUser").values(), kinds("KafkaNodePool").values())
    assert all(each["metadata"]["labels"]["strimzi.io/cluster"] == "kafka" for each in labelled)


def test_a_service_reads_the_secret_that_its_operator_writes() -> None:
    prefix = kinds("Kafka")["kafka"]["spec"]["entityOperator"]["userOperator"]["secretPrefix"]
    assert pinned(kinds("Cluster")["postgres"]["spec"]["imageName"])
    roles = {role["name"]: role for role in kinds("Cluster")["postgres"]["spec"]["managed"]["roles"]}
    assert roles.keys() == {role_of(service) for service in (*SERVICES, "operator")}
    for service in SERVICES:
        pod = one(LOCAL, "Deployment", service)
        assert files_of(pod, "secrets")["approvalflow_kafka_password"] == (f"{prefix}{service}", "password")
        assert files_of(pod, "secrets")["approvalflow_database"] == (roles[role_of(service)]["passwordSecret"]["name"], "uri")
        assert files_of(pod, "certificates") == {
            "kafka.crt": ("kafka-cluster-ca-cert", "ca.crt"), "postgres.crt": ("postgres-ca", "ca.crt"),
        }
        assert roles[role_of(service)]["login"] is True and "superuser" not in roles[role_of(service)]
    assert roles[role_of("operator")] == {"name": role_of("operator")}
    assert roles[role_of("console")]["inherit"] is False and roles[role_of("console")]["inRoles"] == [role_of("operator")]
    assert [name for name, role in roles.items() if "bypassrls" in role] == [role_of("decision")]
    owner = kinds("Cluster")["postgres"]["spec"]["bootstrap"]["initdb"]["secret"]["name"]
    [uri] = one(LOCAL, "Job", "migrate")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert uri == {"name": "APPROVALFLOW_DATABASE", "valueFrom": {"secretKeyRef": {"name": owner, "key": "uri"}}}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_waits_decides_how_many_processes_there_are(overlay: str) -> None:
    found = OVERLAYS[overlay]
    scaled = kinds("ScaledObject", found)
    assert scaled.keys() == SCALED.keys()
    for service, groups in SCALED.items():
        spec = scaled[service]["spec"]
        assert spec["scaleTargetRef"] == {"name": service} and 2 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] == PARTITIONS
        told = {trigger["metadata"]["consumerGroup"]: trigger["metadata"]["topic"] for trigger in spec["triggers"]}
        assert told == {group: GROUPS[group].name for group in groups}
        assert all(trigger["authenticationRef"] == {"name": "scaler"} for trigger in spec["triggers"])
    assert one(found, "HorizontalPodAutoscaler", "command")["spec"]["scaleTargetRef"]["name"] == "command"
    sized = {name for name, each in kinds("Deployment", found).items() if "replicas" in each["spec"]}
    assert sized == {"retention", "console"}  # a number beside an autoscaler would undo what it did


async def test_migrations_need_no_more_than_the_owner_of_the_database_whose_roles_are_there(
    postgres: Database, template: str,  # which made the roles
) -> None:
    name = f"owned_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres.dsn(database="postgres"))
    try:
        await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
        await admin.execute(f"CREATE DATABASE {name} OWNER {name}")
        parts = urlsplit(postgres.dsn(database=name))
        assert await migrate(parts._replace(netloc=f"{name}:{name}@{parts.netloc.rpartition('@')[2]}").geturl()) > 0
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.execute(f"DROP ROLE {name}")
        await admin.close()
