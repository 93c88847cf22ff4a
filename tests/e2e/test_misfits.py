"""When things are wrong and S3 is not: one clear reason, no crash, and well again by itself once mended."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e import people
from tests.e2e.story import cluster
from tests.e2e.story.kube import Kube
from tests.e2e.story.world import World

NAME = "misfit"
POLICY = f"{cluster.POLICIES_PATH}/{NAME}"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{cluster.NAMESPACE}/deployments"
TARGET = f"{DEPLOYMENTS}/{NAME}"
PROMETHEUS_SCALE = "/apis/apps/v1/namespaces/monitoring/deployments/prometheus/scale"


@pytest.fixture
async def misfit(world: World) -> AsyncIterator[Kube]:
    """A second policy, of a Deployment that does not exist."""
    kube = world.kube
    body = {
        "apiVersion": "storage.deltacrown.io/v1alpha1",
        "kind": "CertStoragePolicy",
        "metadata": {"name": NAME, "namespace": cluster.NAMESPACE},
        "spec": {"targetRef": {"name": NAME}, "storage": {"bucket": NAME}},
    }
    await kube.call("POST", cluster.POLICIES_PATH, body=body)
    yield kube
    await kube.delete(POLICY)
    await kube.delete(TARGET, propagationPolicy="Background")


async def make_target(kube: Kube) -> str:
    """Make the missing Deployment, the demo's in all but name and size. Gives its UID."""
    body: Any = copy.deepcopy(await kube.get(cluster.DEPLOYMENT_PATH))
    labels = {"app.kubernetes.io/name": NAME}
    body["metadata"] = {"name": NAME, "namespace": cluster.NAMESPACE}
    body["spec"] |= {"replicas": 1, "selector": {"matchLabels": labels}}
    body["spec"]["template"]["metadata"] = {"labels": labels}
    del body["status"]
    made = await kube.call("POST", DEPLOYMENTS, body=body)
    return str(made["metadata"]["uid"])


async def restarts(kube: Kube) -> int:
    """How often the operator's containers have been restarted."""
    pods = await kube.items(
        f"/api/v1/namespaces/{cluster.OPERATOR_NAMESPACE}/pods", labelSelector=cluster.OPERATOR_LABELS
    )
    return sum(status["restartCount"] for pod in pods for status in pod["status"].get("containerStatuses", []))


@pytest.mark.timeout(180)
async def test_a_missing_deployment_is_named_and_found_when_it_comes_and_when_it_comes_again(misfit: Kube) -> None:
    before = await restarts(misfit)

    async def told(reason: str) -> bool:
        return await people.reason(misfit, NAME) == reason

    await people.eventually("TargetMissing", lambda: told("TargetMissing"), seconds=20)
    await people.eventually("its Event", lambda: people.has_event(misfit, "TargetMissing", NAME), seconds=10)

    first = await make_target(misfit)
    await people.eventually("the Deployment is found", lambda: told("ReadsFromS3"), seconds=60)

    await misfit.delete(TARGET, propagationPolicy="Foreground")
    await people.eventually("TargetMissing again", lambda: told("TargetMissing"), seconds=60)
    assert await make_target(misfit) != first
    await people.eventually("the new Deployment is found", lambda: told("ReadsFromS3"), seconds=60)
    assert await restarts(misfit) == before


@pytest.mark.timeout(180)
async def test_prometheus_unreachable_is_said_and_changes_nothing(world: World) -> None:
    kube = world.kube
    before, crashes = await kube.get(cluster.DEPLOYMENT_PATH), await restarts(kube)

    await people.eventually("signals trusted", lambda: trusts(kube, "True"), seconds=60)
    await kube.patch(PROMETHEUS_SCALE, {"spec": {"replicas": 0}})
    try:
        await people.eventually("signals not trusted", lambda: trusts(kube, "False"), seconds=60)
        assert (await people.condition(kube, "SignalsTrusted"))["reason"] == "SignalsUnknown"
        await people.eventually("its Event", lambda: people.has_event(kube, "SignalsUnknown"), seconds=10)
    finally:
        await kube.patch(PROMETHEUS_SCALE, {"spec": {"replicas": 1}})
    await people.eventually("signals trusted again", lambda: trusts(kube, "True"), seconds=90)
    assert (await kube.get(cluster.DEPLOYMENT_PATH))["spec"] == before["spec"]
    assert await restarts(kube) == crashes


async def trusts(kube: Kube, wanted: str) -> bool:
    """Whether the policy's SignalsTrusted condition has this status."""
    return (await people.condition(kube, "SignalsTrusted")).get("status") == wanted
