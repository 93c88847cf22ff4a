"""The fake cluster of the unit tests answers as the real one does, call by call."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

import pytest

from certstorage.api.decision import TargetPatch
from certstorage.api.hold import ANNOTATION, Hold
from certstorage.api.policy import FINALIZER
from certstorage.cluster.client import ApiCluster
from certstorage.cluster.jobs import LABEL_POLICY
from certstorage.cluster.patches import release_patch, target_patch
from certstorage.cluster.port import DEPLOYMENTS, JOBS, LEASES, POLICIES, SCALED_OBJECTS, Cluster, ClusterError, Json
from tests.fakes.cluster import START, FakeCluster
from tests.fakes.scene import READ, deployment_body, policy_body

NAME = "deltacrown"


class Ground(Protocol):
    """A cluster, and what only somebody else than the operator does there."""

    namespace: str

    @property
    def cluster(self) -> Cluster:
        """The operator's port."""

    async def deploy(self, body: Json) -> None:
        """Make a Deployment as its owner."""


class Real:
    def __init__(self, cluster: ApiCluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    async def deploy(self, body: Json) -> None:
        await self.cluster._call("POST", DEPLOYMENTS.path(self.namespace), [("fieldManager", "helm")], body)


class Fake:
    def __init__(self, namespace: str) -> None:
        self.fake = FakeCluster(auto_roll=False)
        self.cluster: Cluster = self.fake
        self.namespace = namespace

    async def deploy(self, body: Json) -> None:
        self.fake.add(DEPLOYMENTS, body, manager="helm")


@pytest.fixture(params=["real", "fake"])
def ground(request: pytest.FixtureRequest, cluster: ApiCluster, namespace: str) -> Ground:
    return Real(cluster, namespace) if request.param == "real" else Fake(namespace)


async def refusal(call: Awaitable[object]) -> str:
    """The kind of error that a call ends with."""
    try:
        await call
    except ClusterError as error:
        return type(error).__name__
    return "none"


def here(body: Json, ground: Ground, **extra: Any) -> Json:
    return {**body, **extra, "metadata": {**body["metadata"], "namespace": ground.namespace}}


def env(deployment: Json) -> list[str]:
    return [entry["name"] for entry in deployment["spec"]["template"]["spec"]["containers"][0]["env"]]


def managers(deployment: Json) -> set[str]:
    return {one["manager"] for one in deployment["metadata"]["managedFields"]} - {"kube-controller-manager"}


async def test_a_group_that_nobody_has_installed(ground: Ground) -> None:
    assert await refusal(ground.cluster.list(SCALED_OBJECTS, ground.namespace)) == "NotServedError"


async def test_deployments(ground: Ground) -> None:
    # paused and without replicas, so that the real controller writes nothing in between
    body = here(deployment_body(NAME), ground)
    body["spec"] |= {"paused": True, "replicas": 0}
    await ground.deploy(body)

    async def get() -> Json:
        return await ground.cluster.get(DEPLOYMENTS, ground.namespace, NAME)

    async def patch(operations: Sequence[Json]) -> Json:
        return await ground.cluster.patch(DEPLOYMENTS, ground.namespace, NAME, operations)

    for _ in range(100):
        # the controller looks once at what is new
        made = await get()
        if isinstance(ground, Fake) or made.get("status", {}).get("observedGeneration"):
            break
    spec = copy.deepcopy(made["spec"])
    hold = Hold("policy", "certificates", made["metadata"]["uid"], "incident", START)

    def write(seen: Json, hold: Hold | None, values: dict[str, str | None]) -> list[Json]:
        metadata = seen["metadata"]
        return target_patch(TargetPatch(metadata["uid"], metadata["resourceVersion"], hold, values), seen, "web")

    async def newest(hold: Hold | None, values: dict[str, str | None]) -> Json:
        while True:
            seen = await get()
            if await refusal(patch(write(seen, hold, values))) == "none":
                return await get()

    flipped = await newest(hold, {READ: "false", "LOG_LEVEL": "DEBUG"})
    assert env(flipped) == [*env(made), "LOG_LEVEL"]
    assert flipped["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert ANNOTATION in flipped["metadata"]["annotations"]
    assert managers(flipped) == {"helm", "certstorage-operator"}
    assert await refusal(patch(write(made, None, {READ: "true"}))) == "ConflictError"
    assert await refusal(patch([{"op": "remove", "path": "/metadata/annotations/none"}])) == "UnprocessableError"
    assert await refusal(ground.cluster.patch(DEPLOYMENTS, ground.namespace, "none", [])) == "NotFoundError"
    back = await newest(None, {READ: "true", "LOG_LEVEL": None})
    assert back["spec"] == spec
    assert ANNOTATION not in back["metadata"].get("annotations", {})
    while await refusal(patch(release_patch(await get()))) != "none":
        pass
    released = await get()
    assert managers(released) == {"helm"}
    assert released["metadata"]["generation"] == back["metadata"]["generation"]
    uid = made["metadata"]["uid"]
    assert await refusal(ground.cluster.delete(DEPLOYMENTS, ground.namespace, NAME, "another")) == "ConflictError"
    assert await refusal(ground.cluster.delete(DEPLOYMENTS, ground.namespace, NAME, uid)) == "none"


async def test_policies(ground: Ground) -> None:
    body = here(policy_body(), ground)
    made = await ground.cluster.create(POLICIES, ground.namespace, body)
    name = made["metadata"]["name"]
    assert await refusal(ground.cluster.create(POLICIES, ground.namespace, body)) == "AlreadyExistsError"
    status = {"observedGeneration": 1, "incidentName": "x"}
    told = await ground.cluster.replace(
        POLICIES, ground.namespace, name, {**made, "status": status, "spec": {}}, subresource="status"
    )
    assert told["status"] == status
    assert told["spec"] == made["spec"], "a status write changes no spec"
    assert told["metadata"]["generation"] == 1
    assert told["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    replace = ground.cluster.replace
    stale = {**made, "status": {"observedGeneration": 2}}
    assert await refusal(replace(POLICIES, ground.namespace, name, stale, subresource="status")) == "ConflictError"
    same = await replace(POLICIES, ground.namespace, name, told, subresource="status")
    assert same["metadata"]["resourceVersion"] == told["metadata"]["resourceVersion"], (
        "what changes nothing is no write"
    )

    held = {**told, "metadata": {**told["metadata"], "finalizers": [FINALIZER]}, "status": {}}
    kept = await replace(POLICIES, ground.namespace, name, held)
    assert kept["status"] == status, "a write of the object changes no status"
    assert kept["metadata"]["generation"] == 1, "a finalizer moves no generation"
    await ground.cluster.delete(POLICIES, ground.namespace, name, made["metadata"]["uid"])
    going = await ground.cluster.get(POLICIES, ground.namespace, name)
    assert going["metadata"]["deletionTimestamp"]
    gone = {**going, "metadata": {**going["metadata"], "finalizers": []}}
    await replace(POLICIES, ground.namespace, name, gone)
    assert await refusal(ground.cluster.get(POLICIES, ground.namespace, name)) == "NotFoundError"
    assert await refusal(replace(POLICIES, ground.namespace, name, gone)) == "NotFoundError"


async def test_lists_take_what_the_selector_says(ground: Ground) -> None:
    def job(name: str, labels: dict[str, str]) -> Json:
        pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
        return {
            "apiVersion": JOBS.api_version,
            "kind": JOBS.kind,
            "metadata": {"name": name, "namespace": ground.namespace, "labels": labels},
            "spec": {"suspend": True, "template": {"spec": pod}},
        }

    for name, labels in (("a", {LABEL_POLICY: "x"}), ("b", {LABEL_POLICY: "y"}), ("c", {"other": "x"})):
        await ground.cluster.create(JOBS, ground.namespace, job(name, labels))

    async def names(selector: str) -> set[str]:
        found = await ground.cluster.list(JOBS, ground.namespace, labels=selector)
        return {one["metadata"]["name"] for one in found}

    assert await names("") == {"a", "b", "c"}
    assert await names(LABEL_POLICY) == {"a", "b"}
    assert await names(f"{LABEL_POLICY}=x") == {"a"}


async def test_a_lease_is_written_by_who_read_it_last(ground: Ground) -> None:
    body = {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"name": "lease", "namespace": ground.namespace},
        "spec": {"holderIdentity": "one"},
    }
    made = await ground.cluster.create(LEASES, ground.namespace, body)
    two = {**made, "spec": {"holderIdentity": "two"}}
    await ground.cluster.replace(LEASES, ground.namespace, "lease", two)
    assert await refusal(ground.cluster.replace(LEASES, ground.namespace, "lease", two)) == "ConflictError"
