"""What someone else owns is byte-identical before and after, whoever made the Deployment, whatever we did between."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certstorage.api.decision import TargetPatch
from certstorage.api.hold import ANNOTATION, Hold
from certstorage.api.policy import FIELD_MANAGER
from certstorage.cluster.client import ApiCluster
from certstorage.cluster.patches import release_patch, target_patch
from certstorage.cluster.port import DEPLOYMENTS, AlreadyExistsError, ConflictError, Json
from tests.cluster import ControlPlane

READ, DUAL, LEVEL, CONNECT = "CERT_S3_READ_PRIMARY", "CERT_S3_DUAL_WRITE", "LOG_LEVEL", "CERT_S3_CONNECT_TIMEOUT"
NAMES = (READ, DUAL, LEVEL, CONNECT)
VALUES = st.sampled_from(["true", "false", "DEBUG", "INFO", "10", None])
Make = Callable[[ControlPlane, ApiCluster, Json], Awaitable[object]]


async def create(_: ControlPlane, cluster: ApiCluster, body: Json) -> None:
    """As `kubectl create` does it; again: nothing, since there is no such thing."""
    path = DEPLOYMENTS.path(body["metadata"]["namespace"])
    with contextlib.suppress(AlreadyExistsError):
        await cluster._call("POST", path, [("fieldManager", "kubectl-create")], body)


async def client_side_apply(plane: ControlPlane, _: ApiCluster, body: Json) -> None:
    """As most people do it."""
    await asyncio.to_thread(plane.kubectl, "apply", "-f", "-", stdin=yaml.safe_dump(body))


async def server_side_apply(_: ControlPlane, cluster: ApiCluster, body: Json) -> None:
    """As a GitOps tool does it that asks before it takes over: a conflict is an error."""
    path = DEPLOYMENTS.path(body["metadata"]["namespace"], body["metadata"]["name"])
    await cluster._call("PATCH", path, [("fieldManager", "argocd")], body, "application/apply-patch+yaml")


STEPS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3), st.sampled_from([None, 0, 2, 3])),
    min_size=1,
    max_size=5,
)
OWNERS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["true", "false", "INFO", "3"]), max_size=4)


def manifest(namespace: str, name: str, env: Mapping[str, str], position: int) -> Json:
    """A Deployment with other people's things all around our variables."""
    theirs: list[Json] = [
        {"name": "ZONE", "value": "eu"},
        {"name": "CERT_LOCAL_PATH", "value": "/mnt"},
        {"name": "AWS_SECRET", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "secret"}}},
        {"name": "BASE", "value": "$(ZONE)/x"},
    ]
    ours = [{"name": key, "value": value} for key, value in env.items()]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "annotations": {"team": "certificates"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": {"checksum/config": "abc"}},
                "spec": {
                    "initContainers": [{"name": "init", "image": "i", "env": [{"name": READ, "value": "true"}]}],
                    "containers": [
                        {"name": "side", "image": "s", "env": [{"name": LEVEL, "value": "WARN"}]},
                        {
                            "name": "web",
                            "image": "w",
                            "args": ["--x"],
                            "env": [*theirs[:position], *ours, *theirs[position:]],
                        },
                    ],
                },
            },
        },
    }


def rest(deployment: Json) -> Json:
    """The spec without what is ours to change for a while: our variables of the container, and replicas."""
    spec: Json = copy.deepcopy(deployment["spec"])
    del spec["replicas"]
    web = spec["template"]["spec"]["containers"][1]
    web["env"] = [entry for entry in web["env"] if entry["name"] not in NAMES]
    return spec


def ours(deployment: Json) -> dict[str, str]:
    entries = deployment["spec"]["template"]["spec"]["containers"][1]["env"]
    return {entry["name"]: entry["value"] for entry in entries if entry["name"] in NAMES}


async def write(
    cluster: ApiCluster,
    namespace: str,
    name: str,
    env: Mapping[str, str | None],
    replicas: int | None,
    hold: Hold | None,
) -> Json:
    """One write of ours on the newest version; the Deployment controller's status writes come in between."""
    while True:
        found = await cluster.get(DEPLOYMENTS, namespace, name)
        metadata = found["metadata"]
        patch = TargetPatch(metadata["uid"], metadata["resourceVersion"], hold, env, replicas)
        with contextlib.suppress(ConflictError):
            return await cluster.patch(DEPLOYMENTS, namespace, name, target_patch(patch, found, "web"))


async def release(cluster: ApiCluster, namespace: str, name: str) -> tuple[Json, Json]:
    """Give back the fields; the Deployment before and after."""
    while True:
        found = await cluster.get(DEPLOYMENTS, namespace, name)
        with contextlib.suppress(ConflictError):
            return found, await cluster.patch(DEPLOYMENTS, namespace, name, release_patch(found))


@pytest.mark.parametrize("make", [create, client_side_apply, server_side_apply], ids=lambda make: make.__name__)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(env=OWNERS, position=st.integers(0, 4), steps=STEPS)
async def test_any_sequence_of_writes_is_undone_without_a_trace(
    plane: ControlPlane,
    cluster: ApiCluster,
    namespace: str,
    make: Make,
    env: dict[str, str],
    position: int,
    steps: list[tuple[dict[str, str | None], int | None]],
) -> None:
    name = f"app-{secrets.token_hex(4)}"
    owners = manifest(namespace, name, env, position)
    await make(plane, cluster, owners)
    made = await cluster.get(DEPLOYMENTS, namespace, name)
    hold = Hold("policy", "certificates", made["metadata"]["uid"], "incident", datetime.now(UTC))
    touched: set[str] = set()
    expected = dict(env)
    for number, (wanted, replicas) in enumerate(steps, 1):
        # the operator removes only what was not there before
        values = {key: "INFO" if value is None and key in env else value for key, value in wanted.items()}
        stored = await write(cluster, namespace, name, values, replicas, replace(hold, epoch=number))
        touched |= set(values)
        expected |= {key: value for key, value in values.items() if value is not None}
        expected = {key: value for key, value in expected.items() if values.get(key, value) is not None}
        assert ours(stored) == expected
        assert rest(stored) == rest(made)
    await write(cluster, namespace, name, {key: env.get(key) for key in touched}, 3, None)
    before, after = await release(cluster, namespace, name)
    assert after["spec"] == made["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert FIELD_MANAGER not in {entry["manager"] for entry in after["metadata"]["managedFields"]}
    assert ANNOTATION not in after["metadata"]["annotations"]
    await make(plane, cluster, owners)
    again = await cluster.get(DEPLOYMENTS, namespace, name)
    assert again["metadata"]["generation"] == after["metadata"]["generation"]
    await cluster.delete(DEPLOYMENTS, namespace, name, made["metadata"]["uid"])


async def test_a_stale_write_is_a_conflict_and_changes_nothing(
    cluster: ApiCluster, namespace: str, plane: ControlPlane
) -> None:
    await create(plane, cluster, manifest(namespace, "stale", {READ: "true"}, 0))
    old = await cluster.get(DEPLOYMENTS, namespace, "stale")
    await write(cluster, namespace, "stale", {READ: "maybe"}, None, None)
    patch = TargetPatch(old["metadata"]["uid"], old["metadata"]["resourceVersion"], None, {READ: "false"})
    with pytest.raises(ConflictError):
        await cluster.patch(DEPLOYMENTS, namespace, "stale", target_patch(patch, old, "web"))
    with pytest.raises(ConflictError):
        await cluster.patch(DEPLOYMENTS, namespace, "stale", [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": old["metadata"]["resourceVersion"]},
            {"op": "remove", "path": "/metadata/managedFields/0"},
        ])  # fmt: skip
    assert ours(await cluster.get(DEPLOYMENTS, namespace, "stale")) == {READ: "maybe"}


async def test_a_deployment_made_anew_is_not_written_to(
    cluster: ApiCluster, namespace: str, plane: ControlPlane
) -> None:
    body = manifest(namespace, "anew", {READ: "true"}, 0)
    await create(plane, cluster, body)
    old = await cluster.get(DEPLOYMENTS, namespace, "anew")
    await cluster.delete(DEPLOYMENTS, namespace, "anew", old["metadata"]["uid"])
    await create(plane, cluster, body)
    patch = TargetPatch(old["metadata"]["uid"], old["metadata"]["resourceVersion"], None, {READ: "false"})
    with pytest.raises(ConflictError):
        await cluster.patch(DEPLOYMENTS, namespace, "anew", target_patch(patch, old, "web"))
